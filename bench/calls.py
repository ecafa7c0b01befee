"""What a call costs: deadlines, retries and the policies that keep them in bounds."""

import time
from collections.abc import Iterator
from functools import partial

from simlib import Exponential
from simlib.analysis import Result
from simlib.scenarios import Backoff, Overload

from . import peers
from .measure import compare, whole
from .report import Table, at_most, figure, times

CALLS = 20_000
SLICES = 7
LONG = 1_000  # simulated seconds, at as many calls per second
WITHIN = 60  # s of CPU
POLICIES = 1.10  # of the time without them


def tables() -> Iterator[Table]:
    plain = Overload(messages=CALLS)
    by_hand = whole(partial(peers.simpy_calls, CALLS), CALLS)
    ours = compare(by_hand, whole(partial(_everything, plain), CALLS), SLICES)
    # They have nothing to do at this load but to be asked: that is their own cost.
    guarded = plain.replace(
        budget=0.1, breaker=5.0, limit="aimd", backoff=Backoff(), rate_limit=10_000.0
    )
    alone = whole(partial(plain.run, 1), CALLS)
    policies = compare(alone, whole(partial(guarded.run, 1), CALLS), SLICES)
    yield Table(
        title="Calls",
        about=(
            f"{CALLS:,} calls at 280 per second to 30 workers, 0.1 s of work each, with a timeout "
            "of 1 s and three retries. By hand: a `simpy.Resource`, a process per attempt, and "
            "whichever is first of answer and timeout. *Full record*: every attempt, the summary "
            "and the balanced ledger. *Policies*: budget, breaker, limit, back-off and rate limit "
            f"are asked at each attempt; beside the run without. Goal: at most {POLICIES:g} of it."
        ),
        columns=("what", "× baseline", "µs per call", "slices", "goal"),
        rows=[
            ("SimPy, by hand", "1", figure(ours.baseline * 1e6), "", ""),
            (
                "Overload, full record",
                times(ours.ratio),
                figure(ours.contender * 1e6),
                ours.ratio.count,
                "",
            ),
            ("Overload alone", "1", figure(policies.baseline * 1e6), "", ""),
            (
                "the same with five policies",
                times(policies.ratio),
                figure(policies.contender * 1e6),
                policies.ratio.count,
                at_most(POLICIES, policies.ratio.median),
            ),
        ],
    )
    yield _long()


def _everything(scenario: Overload) -> object:
    result: Result = scenario.run(1)
    return result.messages, result.attempts, result.summary(), result.ledger


def _long() -> Table:
    scenario = Overload(interarrival=Exponential(1 / 1000), workers=120, duration=float(LONG))
    begun = time.process_time()
    result = scenario.run(1)
    spent = time.process_time() - begun
    return Table(
        title="A thousand seconds of a thousand calls",
        about=(
            f"{len(result.columns['created']):,} calls in {LONG:,} simulated seconds to 120 "
            f"workers. Goal: at most {WITHIN} s of CPU."
        ),
        columns=("what", "CPU s", "goal"),
        rows=[("one run", figure(spent), at_most(WITHIN, spent))],
    )
