"""The same queue in every simulator: M/M/1, and M/M/8."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from simlib import Exponential
from simlib.analysis import Result
from simlib.scenarios import PointToPoint
from simlib.scenarios.base import Engine

from . import peers
from .measure import compare, whole
from .report import Table, at_least, at_most, figure, times

MESSAGES = 100_000
STORE_GOAL = 0.42  # of the time of a Store by hand
VECTOR_SHARE = 0.010  # the same, for the vector engine
VECTOR_GOALS = {1: 30, 8: 10}  # consumers: how many times as fast as SimPy


class Contender(NamedTuple):
    """Who runs beside the baseline, and how long."""

    name: str
    work: Callable[[], object]
    messages: int = MESSAGES
    slices: int = 11


def tables() -> Iterator[Table]:
    yield _beside_store(1, [*_ours(1), *_processes(1), *_slow(), *_recursions()])
    yield _beside_store(8, [*_ours(8), *_processes(8)])
    if goals := {servers: goal for servers, goal in VECTOR_GOALS.items() if _has_vector(servers)}:
        yield _engines(goals)


def scenario(consumers: int, messages: int) -> PointToPoint:
    """M/M/c at load 0.8."""
    return PointToPoint(
        interarrival=Exponential(mean=1.25 / consumers),
        service=Exponential(mean=1.0),
        consumers=consumers,
        messages=messages,
    )


def run(consumers: int, messages: int, engine: Engine = "simpy") -> Result:
    """A run alone."""
    return scenario(consumers, messages).run(seed=1, engine=engine)


def everything(consumers: int, messages: int, engine: Engine = "simpy") -> object:
    """A run with all that a learner may ask of it."""
    result = run(consumers, messages, engine)
    return result.messages, result.summary(), result.ledger


def _ours(servers: int) -> Iterator[Contender]:
    yield Contender("PointToPoint, full record", partial(everything, servers, MESSAGES))
    yield Contender("PointToPoint, run alone", partial(run, servers, MESSAGES))
    if _has_vector(servers):
        vector = partial(everything, servers, MESSAGES, "vector")
        yield Contender("PointToPoint, full record, vector engine", vector)


def _has_vector(consumers: int) -> bool:
    return scenario(consumers, MESSAGES).obstacle() is None


# The slower, the fewer messages: slices are to be long enough to measure, and short enough to wait.


def _processes(servers: int) -> Iterator[Contender]:
    resource = partial(peers.simpy_resource, 50_000, servers)
    yield Contender("SimPy Resource, by hand", resource, 50_000, 5)
    yield Contender("Ciw", partial(peers.ciw_network, 25_000, servers), 25_000, 5)


def _slow() -> Iterator[Contender]:
    yield Contender("salabim, yieldless", partial(peers.salabim_yieldless, 2_000), 2_000, 5)
    yield Contender("salabim, with yield", partial(peers.salabim_yielding, 2_000), 2_000, 5)


def _recursions() -> Iterator[Contender]:
    python = partial(peers.python_lindley, MESSAGES)
    yield Contender("Lindley's recursion in Python", python, MESSAGES, 5)
    numpy = partial(peers.numpy_lindley, 1_000_000)
    yield Contender("Lindley's recursion in NumPy", numpy, 1_000_000, 5)


def _beside_store(servers: int, contenders: list[Contender]) -> Table:
    store = whole(partial(peers.simpy_store, MESSAGES, servers), MESSAGES)
    rows = []
    for place, (name, work, messages, slices) in enumerate(contenders):
        found = compare(store, whole(work, messages), slices)
        micros = figure(found.contender * 1e6)
        rows.append([name, times(found.ratio), micros, str(found.ratio.count), ""])
        if place == 0:
            rows.insert(0, ["SimPy Store, by hand", "1", figure(found.baseline * 1e6), "", ""])
            if servers == 1:
                share = found.ratio.median
                rows[1][-1] = at_most(STORE_GOAL, share)
        if servers == 1 and name.endswith("vector engine"):
            rows[-1][-1] = at_most(VECTOR_SHARE, found.ratio.median)
    consumers = "one consumer" if servers == 1 else f"{servers} consumers"
    goal = " No goal."
    if servers == 1:
        goal = f" Goal: at most {STORE_GOAL} of the baseline's time, vector {VECTOR_SHARE}."
    return Table(
        title=f"M/M/{servers} in each simulator",
        about=(
            f"One producer, {consumers}, load 0.8, a record of every message. The baseline is "
            "written by hand on `simpy.Store` and keeps a tuple per message; it simulates "
            f"{MESSAGES:,}, as `PointToPoint` does. The others simulate as many as fill a slice; "
            "all figures are per message. *Full record*: the run with its real `MemoryQueue`, "
            "`messages` (four instants each), `summary()` and the balanced `ledger`, by the SimPy "
            f"engine.{goal}"
        ),
        columns=("model", "× Store by hand", "µs per message", "slices", "goal"),
        rows=rows,
    )


def _engines(goals: dict[int, int]) -> Table:
    rows = []
    for servers, goal in goals.items():
        vector = whole(partial(everything, servers, MESSAGES, "vector"), MESSAGES)
        found = compare(vector, whole(partial(everything, servers, MESSAGES), MESSAGES), 11)
        rows.append(
            (
                f"M/M/{servers}",
                times(found.ratio),
                figure(found.contender * 1e6),
                figure(found.baseline * 1e6),
                found.ratio.count,
                at_least(goal, found.ratio.median),
            )
        )
    return Table(
        title="How much faster the vector engine is",
        about=(
            f"{MESSAGES:,} messages with their full record, the same sample path from both "
            "engines. Goal: the vector engine is at least 30 × as fast as the SimPy engine with "
            "one consumer, and 10 × with eight."
        ),
        columns=("model", "× as fast", "SimPy (µs)", "vector (µs)", "slices", "goal"),
        rows=rows,
    )
