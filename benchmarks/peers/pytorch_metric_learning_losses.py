"""The side of PyTorch Metric Learning in ``losses.py``, in its own environment: forward and backward pass on a CPU."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from losses_cases import CLASSES, DIM
from losses_worker import Inputs, Step, weight
from pytorch_metric_learning import distances, losses, miners, reducers

torch.set_num_threads(1)
torch.set_num_interop_threads(1)

MODULES = {"distance": distances, "miner": miners, "reducer": reducers, "loss": losses}
SIZES = {"num_classes": CLASSES, "embedding_size": DIM, "descriptors_dim": DIM}


def warm_up() -> None:
    """Bring the process to the level that its memory is counted from."""
    (torch.ones(1, requires_grad=True) * 2).backward()


def build(kind: str, table: dict[str, Any]) -> Any:
    """Return a component from its table: the class's name and its arguments, nested components among them."""
    arguments = {}
    for name, value in table.items():
        if name in MODULES:
            arguments[name] = build(name, value)
        elif name == "losses":
            arguments[name] = [build("loss", part) for part in value]
        elif name != "name":
            arguments[name] = SIZES[value] if isinstance(value, str) and value in SIZES else value
    return getattr(MODULES[kind], table["name"])(**arguments)


def prepare(case: dict[str, Any], inputs: Inputs, jit: bool) -> Step:
    """Return one step of training: the value, the gradients of embeddings and weights."""
    torch.manual_seed(0)
    table = dict(case["peer"])
    miner = build("miner", table.pop("miner")) if "miner" in table and table["name"] != "CrossBatchMemory" else None
    loss = build("loss", table)
    for parameter in loss.parameters():
        if parameter.dim() == 2:
            rows = weight(tuple(parameter.shape) if parameter.shape[1] == DIM else tuple(parameter.shape)[::-1])
            parameter.data = torch.tensor(rows if parameter.shape[1] == DIM else np.ascontiguousarray(rows.T))
    embeddings = torch.tensor(inputs.embeddings, requires_grad=True)
    labels, views = torch.tensor(inputs.labels), torch.tensor(inputs.views)
    # This library keeps the running histogram of DynamicSoftMarginLoss attached to the graph of the step before,
    # which a second step then fails in; each step here starts from a fresh one.
    fresh = {name: copy.copy(value) for name, value in vars(loss).items() if name == "hist_"}

    def value() -> torch.Tensor:
        if case["views"]:
            return loss(embeddings, ref_emb=views)
        if table["name"] == "ManifoldLoss":  # which takes each row's proxy where others take mined pairs
            return loss(embeddings, indices_tuple=labels)
        if miner is not None:
            return loss(embeddings, labels, miner(embeddings, labels))
        return loss(embeddings, labels)

    def run() -> tuple[float, np.ndarray]:
        vars(loss).update(fresh)
        embeddings.grad = None
        for parameter in loss.parameters():
            parameter.grad = None
        result = value()
        result.backward()
        assert embeddings.grad is not None
        return float(result), embeddings.grad.numpy()

    return run
