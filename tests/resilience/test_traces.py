"""Each policy does, step by step, what its trace says: exact, with no draw left to chance."""

from __future__ import annotations

import heapq
import json
from math import inf
from pathlib import Path
from typing import Any

import pytest

from simlib.resilience import (
    AdaptiveLIFO,
    AIMDLimit,
    BoundedQueue,
    Bulkhead,
    CircuitBreaker,
    CoDel,
    Deadline,
    DecorrelatedJitter,
    EqualJitter,
    Exponential,
    FullJitter,
    GradientLimit,
    Hedge,
    Retry,
    RetryBudget,
    TokenBucket,
    Visit,
)

FILE = Path(__file__).parents[1] / "reference" / "calls_traces.json"
TRACES = {trace["id"]: trace for trace in json.loads(FILE.read_text(encoding="utf-8"))["traces"]}

Inputs = dict[str, Any]
Answers = dict[str, Any]


def close(value: Any) -> Any:
    """What differs by no more than the rounding of decimal fractions."""
    return pytest.approx(value, rel=1e-12, abs=1e-12)


def retry_pauses(inputs: Inputs) -> Answers:
    base, most, draws = inputs["base"], inputs["cap"], inputs["draws"]
    waits = {
        "exponential": Exponential(base, most),
        "full": FullJitter(base, most),
        "equal": EqualJitter(base, most),
        "decorrelated": DecorrelatedJitter(base, most),
    }
    attempts = len(draws) + 1
    found = {name: list(Retry(attempts, wait).pauses(draws)) for name, wait in waits.items()}
    for name, wait in waits.items():
        last = None
        for attempt, draw in enumerate(draws, 1):
            last = Retry(attempts, wait).pause(attempt, draw, last)
            assert last == found[name][attempt - 1]
        assert Retry(attempts, wait).pause(attempts, 0.5, last) is None
    return {name: close(pauses) for name, pauses in found.items()}


def retry_budget(inputs: Inputs) -> Answers:
    budget = RetryBudget(inputs["ratio"], inputs["maximum"], inputs["initial"])
    asked = [budget.earn() if event == "R" else budget.take() for event in inputs["events"]]
    return {
        "allowed": [answer for answer in asked if answer is not None],
        "left": close(budget.left),
    }


def breaker(inputs: Inputs) -> Answers:
    names = ("window", "minimum", "rate", "open_for", "probes")
    breaker = CircuitBreaker(**{name: inputs[name] for name in names})
    calls = inputs["calls"]
    # What ends at an instant ends before another call is sent.
    events = [(ends, 0, number) for number, (_, ends, _) in enumerate(calls)]
    events += [(sent, 1, number) for number, (sent, _, _) in enumerate(calls)]
    tickets, trace = {}, []
    for now, sending, number in sorted(events):
        if sending:
            tickets[number] = breaker.allow(now)
            said = "rejected" if tickets[number] is None else "sent"
        elif tickets[number] is None:
            continue
        else:
            ok = calls[number][2]
            breaker.record(tickets[number], now, ok=ok)
            said = "ok" if ok else "failed"
        trace.append([now, number, said, breaker.state])
    return {"trace": trace}


def bulkhead(inputs: Inputs) -> Answers:
    bulkhead = Bulkhead(inputs["places"], inputs["waiting"], inputs["max_wait"])
    arrivals = inputs["arrivals"]
    visits: dict[int, Visit] = {}
    outcomes: list[Any] = [None] * len(arrivals)
    numbers = {}
    ends: list[tuple[float, int]] = []

    def start(number: int, now: float) -> None:
        outcomes[number] = ["start", close(now)]
        heapq.heappush(ends, (now + arrivals[number][1], number))

    def leave_until(now: float) -> None:
        while ends and ends[0][0] <= now:
            at, number = heapq.heappop(ends)
            following = bulkhead.leave(visits[number], at)
            if following is not None:
                start(numbers[following], at)

    for number, (now, _) in enumerate(arrivals):
        leave_until(now)
        visit = bulkhead.enter(now)
        if visit is None:
            outcomes[number] = ["rejected", now]
            continue
        visits[number], numbers[visit] = visit, number
        if visit.started is not None:
            start(number, now)
    leave_until(inf)
    for number, visit in visits.items():
        if visit.started is None:
            assert bulkhead.give_up(visit)
            outcomes[number] = ["timed out", close(visit.until)]
    assert bulkhead.busy == bulkhead.queued == 0
    return {"outcomes": outcomes}


def hedge(inputs: Inputs) -> Answers:
    hedge = Hedge(after=inputs["after"])
    latencies, extra = [], 0
    for first, second in inputs["pairs"]:
        due = hedge.due(started=0.0)
        assert due is not None
        if first <= due or not hedge.take():
            latencies.append(first)
        else:
            extra += 1
            latencies.append(min(first, due + second))
            assert hedge.due(0.0, sent=2) is None
    return {"latencies": close(latencies), "extra": extra}


def token_bucket(inputs: Inputs) -> Answers:
    bucket = TokenBucket(inputs["rate"], inputs["burst"])
    granted = [bucket.take(now) for now in inputs["requests"]]
    return {"granted": granted, "wait": close(bucket.wait(inputs["requests"][-1]))}


def bounded(inputs: Inputs) -> Answers:
    queue: BoundedQueue[str] = BoundedQueue(inputs["capacity"], inputs["policy"])
    log = []
    for operation, *item in inputs["operations"]:
        log.append(str(queue.put(*item)) if operation == "put" else queue.get())
        assert len(queue) <= inputs["capacity"]
    return {"log": log}


def adaptive_lifo(inputs: Inputs) -> Answers:
    queue: AdaptiveLIFO[int] = AdaptiveLIFO(inputs["threshold"])
    gets = []
    for operation, *item in inputs["operations"]:
        if operation == "put":
            queue.put(*item)
        else:
            gets.append(queue.get())
    return {"gets": gets}


def codel(inputs: Inputs) -> Answers:
    queue: CoDel[int] = CoDel(inputs["target"], inputs["interval"])
    drops, arrived = [], 0
    for look in range(1, 492, 10):
        while 5 * arrived <= look:
            queue.put(arrived, 5 * arrived / 1000)
            arrived += 1
        item, dropped = queue.get(look / 1000)
        if dropped:
            drops.append([look / 1000, item, list(dropped)])
    return {"drops": drops}


def aimd(inputs: Inputs) -> Answers:
    limit = AIMDLimit(inputs["initial"], inputs["backoff"], least=1, most=20)
    return {"limits": [limit.update(in_flight, ok) for in_flight, ok in inputs["answers"]]}


def gradient(inputs: Inputs) -> Answers:
    names = ("initial", "tolerance", "smoothing", "queue")
    limit = GradientLimit(**{name: inputs[name] for name in names})
    return {"limits": close([limit.update(*sample) for sample in inputs["samples"]])}


def deadline(inputs: Inputs) -> Answers:
    hop = 0.02
    client, sent = Deadline(1.0), 0.0
    b_sent = sent + hop + 0.3
    b = client.callee(sent=b_sent, timeout=0.5)
    c_sent = b_sent + hop + 0.2
    c = b.callee(sent=c_sent, timeout=0.5)
    c_begins = c_sent + hop
    assert not c.allows(c_begins, 0.4)
    return {
        "sent": close([sent, b_sent, c_sent]),
        "deadlines": close([client.at, b.at, c.at]),
        "C_works": close(c.left(c_begins)),
        "C_would_end": close(c_begins + 0.4),
    }


POLICIES = {
    "retry-pauses": retry_pauses,
    "retry-budget": retry_budget,
    "breaker": breaker,
    "bulkhead": bulkhead,
    "hedge": hedge,
    "token-bucket": token_bucket,
    "bounded-reject": bounded,
    "bounded-drop-oldest": bounded,
    "bounded-block": bounded,
    "adaptive-lifo": adaptive_lifo,
    "codel": codel,
    "aimd": aimd,
    "gradient": gradient,
    "deadline": deadline,
}

NO_POLICY = {"saga"}
"""What is about services' databases, not about calls."""


def test_every_trace_is_run() -> None:
    assert POLICIES.keys() == TRACES.keys() - NO_POLICY


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_does_what_its_trace_says(name: str) -> None:
    found = POLICIES[name](TRACES[name]["inputs"])
    assert TRACES[name]["expected"] == found
