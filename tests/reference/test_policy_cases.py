"""What policies do with given calls, exact: each outcome and each instant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from acceptance import CASES, tolerances

from simlib.resilience import CircuitBreaker, CoDel, TokenBucket

NOT_WITHIN_BUDGET: dict[str, dict[str, float]] = {}
"""Nothing here is random."""


def _breaker() -> dict[str, Any]:
    parameters = CASES["breaker-trace"]["parameters"]
    in_a_row = parameters["failure_threshold"]
    breaker = CircuitBreaker(
        rate=1.0,  # all of the last so many failed
        window=in_a_row,
        minimum=in_a_row,
        open_for=parameters["open_seconds"],
        probes=parameters["half_open_successes"],
        failed_probes=1,
    )
    trace: list[list[Any]] = []
    for now, ok in parameters["events"]:
        ticket = breaker.allow(now)
        if ticket is not None:
            breaker.record(ticket, now, ok=bool(ok))
        said = "rejected" if ticket is None else "ok" if ok else "fail"
        trace.append([now, said, breaker.state])
    return {"trace": trace, "rejected": [said for _, said, _ in trace].count("rejected")}


def _bucket() -> dict[str, Any]:
    parameters = CASES["token-bucket"]["parameters"]
    bucket = TokenBucket(parameters["rate"], parameters["burst"])
    at_once = sum(bucket.take(0.0) for _ in range(parameters["burst_at_0"]))
    step, until = parameters["then_every_ms"], round(1000 * parameters["until_s"])
    later = sum(bucket.take(time / 1000) for time in range(step, until + 1, step))
    return {"accepted_at_0": at_once, "accepted_0_to_2s": at_once + later}


def _codel() -> dict[str, Any]:
    """Looks just before and just after each instant at which something should be dropped."""
    case = CASES["codel-drop-times"]
    interval = case["parameters"]["interval_ms"] / 1000
    queue: CoDel[int] = CoDel(0.005, interval)
    for number in range(100):
        queue.put(number, now=0.0)
    first = 1.0  # all have waited for longer than the target by then
    assert not queue.get(first - interval).dropped
    close, drops = 1e-8, []
    for time in case["expected"]["drop_times_ms"]:
        due = first + time / 1000
        if not queue.get(due - close).dropped and len(queue.get(due + close).dropped) == 1:
            drops.append(time)
    return {"drop_times_ms": drops}


EXPRESSED: dict[str, Callable[[], dict[str, Any]]] = {
    "breaker-trace": _breaker,
    "token-bucket": _bucket,
    "codel-drop-times": _codel,
}


@pytest.mark.parametrize(
    ("case_id", "metric"),
    [(case_id, metric) for case_id in EXPRESSED for metric in CASES[case_id]["expected"]],
)
def test_a_policy_does_what_is_known(case_id: str, metric: str) -> None:
    found, expected = EXPRESSED[case_id]()[metric], CASES[case_id]["expected"][metric]
    if isinstance(expected, list):
        assert found == expected
    else:
        assert abs(found - expected) <= max(tolerances(case_id, metric))
