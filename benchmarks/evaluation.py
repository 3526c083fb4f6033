"""The time and memory of evaluation at scale, part by part, beside the library that does the same where there is one.

    python benchmarks/evaluation.py [--parts retrieval pairs calibration] [--count 60000] [--dim 128] [--classes 10 600]

Retrieval: map@r, r_precision and precision@1 of embeddings among themselves, exact, beside ``AccuracyCalculator`` of
PyTorch Metric Learning 2.9.0 with faiss-cpu. Each side is a process on the same two cores, one after the other; both
are given the same embeddings and time themselves from arrays to values. The peer's environment is made in a folder when
it is not there, with the Python that runs this. With ten classes the peer fetches thousands of neighbours of each of
60,000 queries, which takes it many minutes and more than ten gigabytes: ``--count 20000`` shows the same in a minute.

Each part is a module here, ``evaluation_NAME``, with a function ``main(options)`` that prints what it measured and
returns it.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from importlib import import_module
from pathlib import Path

PARTS = ("retrieval", "pairs", "calibration")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--count", type=int, default=60_000, help="embeddings of the retrieval part")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument(
        "--classes", type=int, nargs="+", default=[10, 600], help="of the retrieval part, equally large"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cores", type=int, nargs="+", default=sorted(os.sched_getaffinity(0))[:2])
    parser.add_argument("--peer-env", type=Path, default=Path(tempfile.gettempdir()) / "simplug-benchmark-evaluation")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    print(f"seed {options.seed}, cores {options.cores}", flush=True)
    measured = {part: import_module(f"evaluation_{part}").main(options) for part in options.parts}
    if options.json:
        options.json.write_text(json.dumps(measured, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
