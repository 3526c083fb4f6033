"""Replicas that train together: the loss, the gradients and what a loss keeps are those of one process."""

import json
import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
def test_two_devices_train_as_one():
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    script = [sys.executable, str(HERE / "mirrored_training.py")]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 5
    for name, one in found.items():
        np.testing.assert_allclose(one["mirrored"], one["losses"], rtol=1e-5, err_msg=name)
        assert one["losses"][0] != one["losses"][1]
        assert one["distance"] < 1e-5, name


@pytest.mark.slow
def test_two_processes_train_as_one(capsys):
    spec = spec_from_file_location("two_workers", HERE.parents[1] / "benchmarks" / "two_workers.py")
    two_workers = module_from_spec(spec)
    spec.loader.exec_module(two_workers)
    found = two_workers.run("cross_batch_memory", steps=4)
    with capsys.disabled():
        for name, one in found.items():
            print(f"\n{name}: {', '.join(f'{loss:.6f}' for loss in one['losses'])}", end="")
        print()
    assert set(found) == {"alone", "worker0", "worker1"}
    for name in ("worker0", "worker1"):
        np.testing.assert_allclose(found[name]["losses"], found["alone"]["losses"], rtol=1e-5)
        assert two_workers.difference(found[name], found["alone"]) < 1e-5
    assert two_workers.difference(found["worker0"], found["worker1"]) == 0


def test_one_replica_is_left_as_it_is():
    import keras

    import simplug
    from simplug.learn.replicas import gathered, share_of_loss, shown_by_all, whole_batch

    labels, embeddings = keras.ops.zeros((4,), "int64"), keras.ops.ones((4, 2))
    given = whole_batch(simplug.losses.build("triplet"), labels, embeddings)
    assert given[0] is labels
    assert given[1] is embeddings
    assert gathered(embeddings)[0] is embeddings
    assert share_of_loss(embeddings) is embeddings
    results = {"loss": embeddings}
    assert shown_by_all(results) is results


def test_a_batch_that_keras_looks_at_before_training_is_no_epoch():
    import simplug
    from simplug.api import Split

    split = Split(np.arange(40.0)[:, None], np.arange(40) % 4)
    sampler = simplug.samplers.build("class_balanced", classes_per_batch=2, examples_per_class=2)
    whole = sampler.batches(split, steps=3, seed=0)
    expected = []
    for epoch in range(2):
        whole.start_epoch(epoch)
        expected.append(whole[0][0])
    for calls_before in ([], ["begin"]):
        fed = simplug.FedBatches(sampler.batches(split, steps=3, seed=0))
        for _ in calls_before:
            fed.on_epoch_begin()
        fed.on_epoch_end()
        fed.on_epoch_begin()
        np.testing.assert_array_equal(fed[0][0], expected[0])
        fed.on_epoch_end()
        fed.on_epoch_begin()
        np.testing.assert_array_equal(fed[0][0], expected[1])
