"""What an index does on a disk that is full or may not be written: a program, because it needs a disk of its own.

``disk.py full|readonly FOLDER STORE TIMES`` mounts a small file system that only this process and its children see; it
ends with 77 where it may not.
"""

from __future__ import annotations

import ctypes
import shutil
import sys
from pathlib import Path

import numpy as np

from simplug.index.index import Index
from simplug.kernel.errors import ArtifactError, SimplugError

_NEW_NAMESPACE, _READONLY, _REMOUNT, _BIND, _PRIVATE = 0x20000, 1, 32, 4096, (1 << 18) | 16384
NOT_ALLOWED = 77


def mount(source, target, kind, flags, options=None):
    """Mount something, or end with the code that says that this may not be done."""
    system = ctypes.CDLL(None, use_errno=True)
    data = options.encode() if options else None
    if system.mount(source.encode(), str(target).encode(), kind.encode(), flags, data):
        sys.exit(NOT_ALLOWED)


def own_namespace():
    """Leave the mounts of the others alone."""
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NAMESPACE):
        sys.exit(NOT_ALLOWED)
    mount("none", "/", "none", _PRIVATE)


def same(index, model):
    """Compare an index with what was acknowledged, and its search with its records."""
    columns = index.to_columns()
    found = dict(zip(columns["id"].tolist(), [vector.tobytes() for vector in columns["embedding"]], strict=True))
    assert found == model, "other records than those that were acknowledged"
    ids, vectors = columns["id"][::13], np.stack(columns["embedding"])[::13]
    assert index.lookup(vectors, k=1).ids[:, 0].tolist() == ids.tolist(), "a lookup does not find what is there"


def full(folder, store, times):
    """Add until the disk is full, again and again; remove until there is room, and go on."""
    own_namespace()
    mount("tmpfs", folder, "tmpfs", 0, "size=2m")
    rng = np.random.default_rng(0)
    path, model, refused = folder / "index", {}, 0
    index = Index.create(path, dim=16, search={"name": "hnsw", "ef": 200}, store=store)
    for _ in range(times):
        while True:
            vectors = rng.normal(size=(int(rng.integers(1, 200)), 16)).astype(np.float32)
            try:
                ids = index.add(vectors, data=[bytes(300)] * len(vectors))
            except ArtifactError:
                refused += 1
                break
            model |= {id_: vector.tobytes() for id_, vector in zip(ids.tolist(), vectors, strict=True)}
            if rng.random() < 0.3:
                try:
                    index.flush()
                except ArtifactError:
                    refused += 1
                    break
        same(index, model)
        try:
            index.close()
        except ArtifactError:
            refused += 1
        # A disk that is quite full has no place for the page with which a removal begins.
        ballast = folder / "index" / "graph"
        if store != "memory":
            shutil.rmtree(ballast, ignore_errors=True)
        index = Index.open(path)
        if store != "memory":
            same(index, model)
        else:
            model = {
                id_: vector.tobytes() for id_, vector in zip(*list(index.to_columns().values())[:3:2], strict=True)
            }
        gone = rng.choice(sorted(model), size=len(model) // 2, replace=False)
        try:
            index.remove(gone)
            model = {id_: vector for id_, vector in model.items() if id_ not in gone}
        except ArtifactError:
            refused += 1
        same(index, model)
    assert refused >= times
    print(refused, "refusals,", len(model), "records left")


def readonly(folder, store, _):
    """Open an index where nothing may be written."""
    own_namespace()
    path = folder / "index"
    vectors = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    with Index.create(path, dim=8, search="hnsw", store=store) as index:
        index.add(vectors)
    mount(str(path), path, "none", _BIND)
    mount(str(path), path, "none", _BIND | _REMOUNT | _READONLY)
    with Index.open(path, readonly=True) as index:
        same(index, dict(enumerate(vector.tobytes() for vector in vectors)))
    try:
        Index.open(path)
    except SimplugError as error:
        print(type(error).__name__, error)


if __name__ == "__main__":
    {"full": full, "readonly": readonly}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
