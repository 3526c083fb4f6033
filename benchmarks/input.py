"""What it costs to get examples to the model: sampling, reading records, waiting while training, decoding pictures.

    python benchmarks/input.py [--parts sampler tfrecord waiting decode] [--peer-python python3.10] [--quick]

sampler: examples a second of `class_balanced` on images of 28 x 28 in memory, beside ``MultiShotMemorySampler`` of
TensorFlow Similarity 0.17.1, whose environment is made in a folder when it is not there and needs a Python 3.10;
without one, only simplug runs. tfrecord: the memory of a process that draws from many records of 10,000 classes.
waiting: the share of the time of ``fit`` that `small_cnn` waits for batches of augmented images. decode: pictures a
second that are read from their files, beside a pipeline of ``tf.data``.

Each part is a module here, ``input_NAME``, with a function ``main(options)`` that prints what it measured and returns
it. With --quick, the sizes are tiny: it shows that all parts run, and no figure means anything.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from importlib import import_module
from pathlib import Path

PARTS = ("sampler", "tfrecord", "waiting", "decode")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5, help="how often the two sides of a comparison take turns")
    parser.add_argument("--peer-python", help="a Python 3.10; without one, the sampler of simplug runs alone")
    parser.add_argument("--peer-env", type=Path, default=Path(tempfile.gettempdir()) / "simplug-benchmark-tfsimilarity")
    parser.add_argument("--quick", action="store_true", help="tiny sizes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    measured = {part: import_module(f"input_{part}").main(options) for part in options.parts}
    if options.json:
        options.json.write_text(json.dumps(measured, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
