"""One-shot classification of characters: what `examples/omniglot.toml` reaches on alphabets that it never met.

    python benchmarks/omniglot.py OMNIGLOT_FOLDER [--seeds 1 2 3]

OMNIGLOT_FOLDER holds images_background_small1.zip and images_background_small2.zip. Each seed is a `simplug run` in a
process of its own, trained on the five alphabets of small1. It is then asked about those that small2 alone has:
Katakana, Sanskrit and Tagalog. An episode has 20 characters of one alphabet, 17 of Tagalog, which has no more; one
person's drawing of each is the support, and the queries are another person's, each given the character that is nearest
by the cosine of the embeddings.

An error of 400 queries, as in Lake et al. (2015), is that of some 22 episodes, and moves by a few percent with what
episodes were drawn; the one of 40,000 queries of the same characters hardly does.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

import attrs
import numpy as np
from configured_run import configured_run

from simplug.api import Split
from simplug.evaluation import EpisodeScores, evaluate_episodes
from simplug.experiment.loading import load_run

CONFIG = Path(__file__).parent.parent / "examples" / "omniglot.toml"
DRAWERS = 20
FEW, MANY = 400, 40_000
"""Queries of the protocol, and so many that chance hardly matters."""


def main() -> None:
    """Run every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("omniglot", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--set", action="append", default=[], metavar="SETTING", help="as for simplug run")
    options = parser.parse_args()

    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for seed in options.seeds:
            trained = train(options.omniglot, seed, Path(scratch) / f"seed{seed}", options.set)
            if not rows:
                pixels = np.asarray(trained.unseen.read()).reshape(len(trained.unseen), -1)
                show("raw pixels", score(trained, pixels))
            rows.append(score(trained, trained.embeddings) | {"fit": trained.seconds})
            show(f"seed {seed}", rows[-1])
    show(f"mean of {len(rows)}", {name: mean(row[name] for row in rows) for name in rows[0] if name != "interval"})


@attrs.frozen(eq=False)
class Trained:
    """A finished run.

    Attributes:
        unseen: The characters of the alphabets that it was not trained on, with all of their drawings.
        alphabets: The name of each alphabet.
        embeddings: What its model makes of them.
        seconds: How long its ``fit`` took.
    """

    unseen: Split
    alphabets: dict[int, str]
    embeddings: np.ndarray
    seconds: float


def train(omniglot: Path, seed: int, folder: Path, settings: list[str]) -> Trained:
    """Run the example with one seed and embed what it has not met."""
    metrics = configured_run(CONFIG, folder, (f'dataset.path="{omniglot}"', f"train.seed={seed}", *settings))
    run = load_run(folder)
    data = run.config.dataset.load()
    whole = data.splits["train"]
    unseen = whole[~np.isin(whole.labels, metrics["trained_on"])]
    return Trained(unseen, dict(data.group_names), run.model.embed(unseen.inputs), metrics["fit_seconds"])


def score(trained: Trained, embeddings: np.ndarray) -> dict[str, Any]:
    """Return a row of the table: errors of few and of many queries, and of each alphabet."""

    def episodes(queries: int) -> EpisodeScores:
        # In a split of whole classes the drawings stand by class, and of a class by drawer.
        drawers = np.arange(len(embeddings)) % DRAWERS
        unseen = trained.unseen
        return evaluate_episodes(embeddings, unseen.labels, unseen.groups, queries=queries, drawers=drawers)

    many = episodes(MANY)
    row = {f"{FEW} queries": episodes(FEW)["error"], f"{MANY} queries": many["error"]}
    row |= {trained.alphabets[group]: part["error"] for group, part in many.per_group().items()}
    return row | {"interval": many.intervals()["error"]}


def show(title: str, row: dict[str, Any]) -> None:
    """Print one row of the table: errors in percent."""
    cells = [f"{name} {100 * row[name]:.1f}" for name in row if name not in ("interval", "fit")]
    if "interval" in row:
        low, high = row["interval"]
        cells[1] += f" ({100 * low:.1f} to {100 * high:.1f})"
    if "fit" in row:
        cells.append(f"fit {row['fit']:.0f} s")
    print(f"{title:<12} {'  '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
