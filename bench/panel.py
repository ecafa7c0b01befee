"""A control moved, and how long until the panel has its new picture."""

import time
from collections.abc import Iterator
from itertools import cycle, islice

from simlib.present import Panel, panel
from simlib.scenarios import SyncVsAsync

from .measure import Spread
from .report import Table, times

MOVES = 20
LOW, HIGH, STEP = 0.5, 0.95, 0.05


def example() -> Panel:
    """Two variants of 3,000 requests each, and a slider for the load."""
    return panel(
        SyncVsAsync,
        {"load": (LOW, HIGH, STEP)},
        variants={"call and wait": {"mode": "sync"}, "publish": {"mode": "async"}},
        messages=3_000,
    )


def tables() -> Iterator[Table]:
    moved = example()
    loads = list(islice(cycle((0.55, 0.65, 0.75, 0.85, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)), MOVES + 1))
    spent = [_move(moved, load) for load in loads][1:]
    yield Table(
        title="A panel without a browser",
        about=(
            "Wall milliseconds from the message that a front end sends when the load is changed to "
            "the new picture and table: `SyncVsAsync`, two variants, 3,000 requests each. No goal "
            "of its own; the browser's has to hold."
        ),
        columns=("from", "wall ms", "moves"),
        rows=[("load changed to new picture", times(Spread.of(spent)), len(spent))],
    )


def _move(moved: Panel, load: float) -> float:
    """Milliseconds that the panel takes to answer."""
    before = moved.picture.value
    update = {"method": "update", "state": {"typed": f"{load:g}"}, "buffer_paths": []}
    begun = time.perf_counter()
    moved.controls["load"]._handle_msg({"content": {"data": update}, "buffers": []})
    spent = time.perf_counter() - begun
    if moved.error is not None:
        raise moved.error
    if moved.picture.value == before:
        raise RuntimeError("the panel has no new picture")
    return spent * 1000
