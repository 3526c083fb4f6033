"""The time and memory of every loss, beside PyTorch Metric Learning 2.9.0 on the same core.

    python benchmarks/losses.py [--cases triplet nt_xent] [--batches 64 256 1024 2048] [--per-class 4 32]
    python benchmarks/losses.py --memory

Each step is a forward and backward pass on one thread, float32, of random embeddings with 128 dimensions; losses with
weights have 1000 classes. Ours run under a plain ``tf.function``. Each side is a process, and the two take turns within
a case. The figure is the CPU time of a process, the least of all repeats, with the wall time in brackets. A case that
needs more than the address space that it may have, or more time than it may take, is reported as not running.

The peer's environment is made in a folder when it is not there, with the Python that runs this.

With --memory, each loss over pairs or triplets runs alone, in a process of its own, with a batch of 4096, and its peak
is counted above the process that has done nothing yet.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

import attrs
from losses_cases import CASES, Case

HERE = Path(__file__).parent
PEER = ("torch==2.13.0", "pytorch-metric-learning==2.9.0")
AGREE = 1e-4
"""The largest relative difference of values that computing in float32 explains."""

SLOW = 2.0
"""Seconds. A side that takes longer for its first step is timed by that step alone."""

TURNS, TURN_SECONDS = 3, 0.15
MEMORY_BATCH, MEMORY_LIMIT = 4096, 3000


class DoesNotRunError(Exception):
    """A case is too large or too slow for a side."""


class Side:
    """A worker process of one side; started when it is needed, and again after it was lost."""

    def __init__(self, python: Path, module: str, core: int, gigabytes: float) -> None:
        self._command = [str(python), str(HERE / "losses_worker.py"), module, str(core), str(gigabytes)]
        self._process: subprocess.Popen[str] | None = None

    def ask(self, patience: float, **request: Any) -> dict[str, Any]:
        """Send a request and return the answer.

        Raises:
            DoesNotRunError: It took more seconds than there is patience for, or failed; the worker is gone.
        """
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            patience += 120  # for its imports
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps(request), file=process.stdin, flush=True)
        ready, _, _ = select.select([process.stdout], [], [], patience)
        if not ready:
            self.stop()
            raise DoesNotRunError("takes too long")
        line = process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "out of memory"}
        if "error" in answer:
            self.stop()
            text = answer["error"]
            is_memory = "memory" in text.lower() or "OOM" in text or "bad_alloc" in text
            raise DoesNotRunError("out of memory" if is_memory else " ".join(text.split())[:200])
        return answer

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@attrs.define
class Figures:
    """What one side measured in one cell of the table.

    Attributes:
        value: The loss.
        gradient: The norm of the embeddings' gradient.
        times: CPU and wall seconds of each repeat.
        failure: Why it does not run.
    """

    value: float = 0.0
    gradient: float = 0.0
    times: list[tuple[float, float]] = attrs.field(factory=list)
    failure: str = ""

    @property
    def cpu(self) -> float:
        """Least CPU time of a step, in ms."""
        return 1000 * min(cpu for cpu, _ in self.times)

    def __str__(self) -> str:
        if self.failure:
            return self.failure
        return f"{shown(self.cpu)} ({shown(1000 * median(wall for _, wall in self.times))}) ms"


@attrs.define
class Cell:
    """One case at one size, by side."""

    case: Case
    batch: int
    per_class: int
    sides: dict[str, Figures]

    @property
    def title(self) -> str:
        """The case and its size."""
        return f"{self.case.name}, {self.batch} x {self.per_class}"

    @property
    def ratio(self) -> float | None:
        """How many times faster ours is; None where one side does not run."""
        ours, peer = self.sides["simplug"], self.sides["peer"]
        return None if ours.failure or peer.failure else peer.cpu / ours.cpu

    @property
    def difference(self) -> float | None:
        """How far the values are apart, relative to the peer's; None where one side does not run."""
        ours, peer = self.sides["simplug"], self.sides["peer"]
        return None if ours.failure or peer.failure else relative(ours.value, peer.value)

    @property
    def gradient_difference(self) -> float | None:
        """The same of the norms of the gradients."""
        ours, peer = self.sides["simplug"], self.sides["peer"]
        return None if ours.failure or peer.failure else relative(ours.gradient, peer.gradient)


def relative(ours: float, peer: float) -> float:
    """Return the difference relative to the peer's value; the difference itself where that is 0."""
    return abs(ours - peer) / (abs(peer) or 1.0)


def shown(milliseconds: float) -> str:
    """Return a time with as many digits as mean something."""
    return f"{milliseconds:,.0f}" if milliseconds >= 10 else f"{milliseconds:.2f}"


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", metavar="NAME", help="those whose names start so; default: all")
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256, 1024, 2048])
    parser.add_argument("--per-class", type=int, nargs="+", default=[4, 32])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--core", type=int, default=min(os.sched_getaffinity(0)))
    parser.add_argument("--jit", action="store_true", help="also ours under jit_compile=True")
    parser.add_argument("--memory", action="store_true", help=f"the peak of ours with a batch of {MEMORY_BATCH}")
    parser.add_argument("--gigabytes", type=float, default=8, help="address space of a side above its start")
    parser.add_argument("--seconds", type=float, default=60, help="what a step may take")
    parser.add_argument("--peer-env", type=Path, default=Path(tempfile.gettempdir()) / "simplug-benchmark-losses")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    rows = measure_memory(options) if options.memory else compare(options)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def chosen(starts: Sequence[str] | None) -> list[Case]:
    """Return the cases whose names start with one of these, or all."""
    return [case for case in CASES if starts is None or case.name.startswith(tuple(starts))]


def compare(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run both sides on every case and size, print the table, and return its rows."""
    sides = {
        "simplug": Side(Path(sys.executable), "losses_simplug", options.core, options.gigabytes),
        "peer": Side(
            peer_python(options.peer_env), "peers.pytorch_metric_learning_losses", options.core, options.gigabytes
        ),
    }
    if options.jit:
        sides["jit"] = Side(Path(sys.executable), "losses_simplug", options.core, options.gigabytes)
    print(f"seed {options.seed}, core {options.core}; CPU time (wall time); batch x per class", flush=True)
    cells = []
    started = time.perf_counter()
    try:
        for case in chosen(options.cases):
            for per_class in options.per_class:
                failed: dict[str, str] = {}
                for batch in options.batches:
                    cell = Cell(case, batch, per_class, measure(sides, case, batch, per_class, options, failed))
                    failed = {
                        name: side.failure if name in failed else f"{side.failure} with a batch of {batch}"
                        for name, side in cell.sides.items()
                        if side.failure
                    }
                    cells.append(cell)
                    print(line(cell), flush=True)
    finally:
        for side in sides.values():
            side.stop()
    print("\n".join(summary(cells)))
    print(f"{time.perf_counter() - started:.0f} s in all")
    return [
        {
            **attrs.asdict(cell, filter=lambda field, _: field.name != "case"),
            "case": cell.case.name,
            "ratio": cell.ratio,
        }
        for cell in cells
    ]


def measure(
    sides: dict[str, Side],
    case: Case,
    batch: int,
    per_class: int,
    options: argparse.Namespace,
    failed: dict[str, str],
) -> dict[str, Figures]:
    """Run one case at one size on all sides in turn; a side that has failed with a smaller batch is not asked."""
    found = {name: Figures(failure=reason) for name, reason in failed.items()}
    waiting = []
    for name, side in sides.items():
        if name in failed:
            continue
        found[name] = Figures()
        request = {"case": dataclasses.asdict(case), "batch": batch, "per_class": per_class, "seed": options.seed}
        try:
            # Tracing and compiling come on top of the step.
            answer = side.ask(options.seconds + 60, do="prepare", jit=name == "jit", **request)
        except DoesNotRunError as error:
            found[name].failure = str(error)
            continue
        found[name].value, found[name].gradient = answer["value"], answer["gradient"]
        if name == "peer" and answer["times"][0][0] > SLOW:
            found[name].times = answer["times"]
        else:
            waiting.append(name)
    for _ in range(TURNS):
        for name in waiting:
            if found[name].failure:
                continue
            try:
                answer = sides[name].ask(options.seconds + TURN_SECONDS, do="time", seconds=TURN_SECONDS)
            except DoesNotRunError as error:
                found[name].failure = str(error)
                continue
            found[name].times += answer["times"]
    return {name: found[name] for name in sides}


def line(cell: Cell) -> str:
    """Return a cell as a line of the table."""
    ratio = "" if cell.ratio is None else f"x {cell.ratio:.2f}"
    parts = [f"{cell.title:<52}", f"{ratio:>9}", *(f"{name} {figures!s:<20}" for name, figures in cell.sides.items())]
    if cell.difference is not None:
        parts.append(f"value {cell.sides['simplug'].value:.6g} off {cell.difference:.0e}")
        parts.append(f"gradient off {cell.gradient_difference:.0e}")
        if cell.case.departs:
            parts.append(f"({cell.case.departs})")
    return "  ".join(parts)


def summary(cells: Sequence[Cell]) -> Iterator[str]:
    """Say what the table comes to."""
    both = [(cell.ratio, cell) for cell in cells if cell.ratio is not None]
    if both:
        worst, where = min(both, key=lambda pair: pair[0])
        yield f"worst ratio {worst:.2f} ({where.title})"
        yield f"geometric mean {geometric_mean(ratio for ratio, _ in both):.2f} over {len(both)} cells that both ran"
        yield from _listed(
            "below 1", (f"{cell.title}: {ratio:.2f}" for ratio, cell in sorted(both, key=lambda p: p[0]) if ratio < 1)
        )
    for name in ("peer", "simplug"):
        failures = [f"{cell.title}: {cell.sides[name].failure}" for cell in cells if cell.sides[name].failure]
        yield from _listed(f"{name} does not run", failures)
    apart = [
        f"{cell.title}: value {cell.difference:.1e}, gradient {cell.gradient_difference:.1e}"
        for cell in cells
        if cell.difference is not None
        and not cell.case.departs
        and (cell.difference > AGREE or (cell.gradient_difference or 0) > 10 * AGREE)
    ]
    yield from _listed("values differ", apart)


def _listed(title: str, lines: Iterable[str]) -> Iterator[str]:
    lines = list(lines)
    yield f"{title}: {len(lines) or 'none'}"
    yield from (f"  {text}" for text in lines)


def measure_memory(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run each loss over pairs or triplets alone with a large batch, print the peaks, and return them."""
    rows = []
    for name, table in pair_losses(options.cases):
        for per_class in options.per_class:
            side = Side(Path(sys.executable), "losses_simplug", options.core, options.gigabytes)
            case = dataclasses.asdict(Case(name, table, {}))
            try:
                answer = side.ask(
                    options.seconds + 60,
                    do="prepare",
                    case=case,
                    batch=MEMORY_BATCH,
                    per_class=per_class,
                    seed=options.seed,
                    jit=False,
                )
                again = side.ask(options.seconds, do="time", seconds=0)
                peak, seconds = max(answer["memory"], again["memory"]), again["times"][0][0]
                text = f"{peak:>7,.0f} MB  {seconds:6.2f} s"
                rows.append({"name": name, "per_class": per_class, "megabytes": peak, "seconds": seconds})
            except DoesNotRunError as error:
                peak, text = float("inf"), str(error)
                rows.append({"name": name, "per_class": per_class, "failure": text})
            finally:
                side.stop()
            over = f"  OVER {MEMORY_LIMIT} MB" if peak > MEMORY_LIMIT else ""
            print(f"{name:<52} {MEMORY_BATCH} x {per_class:<3} {text}{over}", flush=True)
    return rows


def pair_losses(starts: Sequence[str] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the losses over pairs and triplets: those of the cases, then what else is installed, with its defaults."""
    import simplug
    from simplug.kernel.errors import ConfigError

    tables = {case.name: dict(case.ours) for case in CASES}
    compared = {table["name"] for table in tables.values()}
    tables |= {name: {"name": name} for name in simplug.losses.names() if name not in compared}
    for title, table in tables.items():
        if starts is None or title.startswith(tuple(starts)):
            try:
                loss = simplug.losses.build(table)
            except ConfigError:  # it asks for more, such as the number of classes: no loss over pairs alone
                continue
            if loss.compares == "pairs":
                yield title, table


def peer_python(folder: Path) -> Path:
    """Return the interpreter of the peer's environment, which is made if it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEER], check=True)
    return python


if __name__ == "__main__":
    main()
