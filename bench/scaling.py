"""From ten thousand messages to ten million: time and memory.

    python -m bench.scaling

measures the longest run alone, in a process of its own, and prints what it found as JSON.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial

from .measure import Comparison, Spread, compare, peak_memory, whole
from .report import Table, at_most, figure, times
from .simulators import everything

BASE = 100_000
SHORTER = {10_000: 15, 1_000_000: 3}  # messages: slices
LONGEST = 10_000_000
GOAL = 2.0  # GB


def tables() -> Iterator[Table]:
    measured = {messages: _beside_base(messages, slices) for messages, slices in SHORTER.items()}
    longest, peak = _longest_in_its_own_process()
    measured[LONGEST] = longest
    rows = [
        (
            f"{messages:,}",
            times(found.ratio),
            figure(found.contender * 1e6),
            str(found.ratio.count),
            f"{peak / 1e9:.2f}" if found is longest else "",
            at_most(GOAL, peak / 1e9) if found is longest else "",
        )
        for messages, found in measured.items()
    ]
    base = measured[min(measured)].baseline
    rows.insert(1, (f"{BASE:,}", "1", figure(base * 1e6), "", "", ""))
    yield Table(
        title="Longer runs",
        about=(
            f"`PointToPoint`, M/M/1 at load 0.8, full record: cost per message beside that of a "
            f"run of {BASE:,}. The longest run has a process of its own; its peak memory includes "
            "Python, the libraries, `messages` and `summary()`. Goal: cost per message stays flat, "
            f"and {LONGEST:,} messages stay under {GOAL:g} GB."
        ),
        columns=("messages", f"× {BASE:,}", "µs per message", "slices", "peak (GB)", "goal (GB)"),
        rows=rows,
    )


def _beside_base(messages: int, slices: int, base_runs: int = 1) -> Comparison:
    """Runs of so many messages beside runs of BASE; short ones are repeated to fill a slice."""
    repeats = max(1, BASE // messages)
    base = whole(partial(_runs, BASE, base_runs), BASE * base_runs)
    return compare(base, whole(partial(_runs, messages, repeats), messages * repeats), slices)


def _runs(messages: int, repeats: int) -> object:
    kept = None
    for _ in range(repeats):
        kept = everything(1, messages)
    return kept


def _longest_in_its_own_process() -> tuple[Comparison, int]:
    command = [sys.executable, "-m", "bench.scaling"]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    found = json.loads(printed)
    return Comparison(**{**found["compared"], "ratio": Spread(**found["compared"]["ratio"])}), (
        found["peak"]
    )


def _longest() -> None:
    compared = _beside_base(LONGEST, slices=1, base_runs=10)
    json.dump({"compared": asdict(compared), "peak": peak_memory()}, sys.stdout)


if __name__ == "__main__":
    _longest()
