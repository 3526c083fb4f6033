"""The optimizer of a run, and its learning rate over time."""

from __future__ import annotations

from typing import Any

import keras

from simplug.experiment.config import OptimizerSection


def build_optimizer(section: OptimizerSection, steps: int) -> keras.optimizers.Optimizer:
    """Return the Keras optimizer of a config section, for a training of `steps` steps."""
    rate: Any = section.learning_rate
    if section.schedule == "cosine" or section.warmup_steps:
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if section.warmup_steps else section.learning_rate,
            decay_steps=max(1, steps - section.warmup_steps),
            # A floor as high as the peak is a schedule that only warms up.
            alpha=0.0 if section.schedule == "cosine" else 1.0,
            warmup_target=section.learning_rate if section.warmup_steps else None,
            warmup_steps=section.warmup_steps,
        )
    config: dict[str, Any] = {"learning_rate": rate}
    if section.weight_decay:
        config["weight_decay"] = section.weight_decay
    if section.clip_norm:
        config["clipnorm"] = section.clip_norm
    return keras.optimizers.get(section.name).__class__(**config)
