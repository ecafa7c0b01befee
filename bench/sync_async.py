"""What a request of SyncVsAsync costs, called or published."""

from collections.abc import Iterator
from functools import partial

from simlib.scenarios import SyncVsAsync

from . import peers
from .measure import compare, whole
from .report import Table, figure, times

REQUESTS = 30_000
SLICES = 11


def tables() -> Iterator[Table]:
    store = whole(partial(peers.simpy_store, REQUESTS), REQUESTS)
    rows = []
    for mode in ("sync", "async"):
        scenario = SyncVsAsync(mode=mode, messages=REQUESTS)
        found = compare(store, whole(partial(_everything, scenario), REQUESTS), SLICES)
        rows.append(
            (mode, times(found.ratio), figure(found.contender * 1e6), str(found.ratio.count))
        )
    rows.insert(0, ("SimPy Store, by hand, M/M/1", "1", figure(found.baseline * 1e6), ""))
    yield Table(
        title="SyncVsAsync",
        about=(
            f"{REQUESTS:,} requests at load 0.8 through a front service with 16 connections to one "
            "with 4 workers, full record. A request crosses the network twice and passes two "
            "queues, so it is more work than a message of the baseline. No goal."
        ),
        columns=("mode", "× Store by hand", "µs per request", "slices"),
        rows=rows,
    )


def _everything(scenario: SyncVsAsync) -> object:
    result = scenario.run(seed=1, engine="simpy")
    return result.messages, result.summary(), result.ledger
