"""Whether what an index holds is as it was written."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from simplug.index import folder
from simplug.index.state import State
from simplug.kernel.errors import ArtifactError, InvalidInputError

_READ_AT_ONCE = 1024
_ASKED = 1000
_SEED = 0


@attrs.frozen
class Verification:
    """What :meth:`simplug.Index.verify` has found.

    Attributes:
        records: How many records there are.
        damaged: What is wrong with which record, by its id.
        problems: What else is wrong, a sentence each.
        self_recall: The share of records that the search finds when asked for their own embeddings, of a thousand at
            most; None if there is no record.
    """

    records: int
    damaged: Mapping[int, str]
    problems: tuple[str, ...]
    self_recall: float | None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; a search that does not find every record is not wrong, but approximate."""
        return not self.damaged and not self.problems


def verify(state: State) -> Verification:
    """Read all of an index and compare it with its checksums; see :meth:`simplug.Index.verify`."""
    rows, ids, _ = state.directory.records()
    damaged, problems = {}, []
    searched = state.engine.rows()
    if not np.array_equal(searched, np.setdiff1d(rows, list(state.damaged))):
        problems.append("the search structure does not have the rows of the records; rebuild makes it anew")
    for start in range(0, len(rows), _READ_AT_ONCE):
        part = slice(start, start + _READ_AT_ONCE)
        if _reason(state, rows[part], searched) is None:
            continue
        for row, id_ in zip(rows[part], ids[part].tolist(), strict=True):
            reason = _reason(state, row[None], searched)
            if reason is not None:
                damaged[id_] = reason
    # A record without an intact head has no id that could be asked for; the message names it.
    problems += [reason for row, reason in state.damaged.items() if row not in rows]
    if state.path is not None:
        problems += folder.problems(state.path)
    return Verification(len(rows), damaged, tuple(problems), _self_recall(state, rows, ids, damaged))


def _reason(state: State, rows: np.ndarray, searched: np.ndarray) -> str | None:
    """Return what is wrong with one of these records; None if nothing is."""
    try:
        embeddings = state.embeddings(rows)
        state.payloads(rows)
        can_compare = np.isin(rows, searched)
        if not state.has_embeddings(state.engine, rows[can_compare], embeddings[can_compare]):
            return "the search structure has another embedding than the store; rebuild makes it anew"
    except (ArtifactError, InvalidInputError) as cause:
        return str(cause)
    return None


def _self_recall(state: State, rows: np.ndarray, ids: np.ndarray, damaged: Mapping[int, str]) -> float | None:
    whole = rows[~np.isin(ids, list(damaged))]
    if not len(whole):
        return None
    asked = np.random.default_rng(_SEED).choice(whole, size=min(_ASKED, len(whole)), replace=False)
    embeddings = state.embeddings(asked)
    found, distances = state.search(state.recipe.distance.prepare(embeddings), 1)
    # A record at the same place, or one that single precision cannot tell from it, is as good.
    own = state.recipe.distance.numpy
    itself = np.array([own(vector[None], vector[None])[0, 0] for vector in embeddings])
    return float(((found[:, 0] == asked) | (distances[:, 0] <= itself + 1e-6)).mean())
