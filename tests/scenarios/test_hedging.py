"""Copies of slow calls where servers have queues, by hand, by formula, and where it collapses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import Deterministic, Replay, Trace
from simlib.analysis import replicate
from simlib.scenarios import Hedging

RUNS = 20
TEN = Hedging(messages=20_000, warmup=2_000)


def p95(scenario: Hedging) -> float:
    """What 95 % of the calls don't exceed if nothing is hedged (s)."""
    return scenario.forecast().predicted["latency_p95"]


@pytest.mark.parametrize("load", [0.4, 0.7])
def test_without_hedges_each_server_is_a_queue_of_its_own(load: float) -> None:
    """20 replications; the standard errors are below 1 % of the mean and 2 % of the p99."""
    scenario = TEN.replace(load=load)
    runs = replicate(scenario, RUNS, seed=1)
    for name, value in scenario.forecast().predicted.items():
        error = float(runs[name].std() / np.sqrt(RUNS))
        assert error <= 0.02 * value, name
        assert abs(runs[name].mean() - value) <= 4 * error, name


@pytest.mark.parametrize(
    ("load", "cancel", "known"), [(0.4, True, 62), (0.4, False, 65), (0.8, True, 170)]
)
def test_hedged_at_the_p95(load: float, cancel: bool, known: float) -> None:
    """p99 in ms: 20 replications, standard errors below 2 %."""
    scenario = TEN.replace(load=load)
    hedged = scenario.replace(hedge_after=p95(scenario), cancel=cancel)
    found = 1000 * replicate(hedged, RUNS, seed=1)["latency_p99"]
    error = float(found.std() / np.sqrt(RUNS))
    print(f"{found.mean():.4g} ± {error:.2g}, known {known}")
    assert error <= 0.02 * known
    # The known answers are simulated, too, and given to a few per cent.
    assert abs(found.mean() - known) <= 4 * error + 0.03 * known


@pytest.mark.parametrize("seed", range(3))
def test_copies_that_nobody_cancels_bring_a_busy_system_down_for_good(seed: int) -> None:
    busy = Hedging(messages=60_000).replace(load=0.8)
    result = busy.replace(hedge_after=p95(busy), cancel=False).run(seed)
    (said, *_) = result.doubts()
    assert said.startswith("copies that nobody cancels may double the load of 0.8: above one half")
    last = result.latency[-20_000:]
    assert last.min() > 10 * p95(busy)
    # More is offered than can be done: each call, and a copy of most of them.
    assert busy.load * (1 + result.summary()["hedged"]) > 1.2


@pytest.mark.parametrize(
    "fine", [{"load": 0.5}, {"load": 0.8, "cancel": True}, {"load": 0.8, "hedge_after": None}]
)
def test_nothing_else_is_doubted(fine: dict[str, Any]) -> None:
    scenario = Hedging(messages=10, hedge_after=0.1, cancel=False).replace(**fine)
    assert scenario.doubted() == []


def by_hand(**changes: Any) -> Hedging:
    """Two servers, so that a copy goes to the one the call did not; both draw the same list."""
    return Hedging(
        interarrival=Trace([0.0, 100.0]), service=Replay([10.0, 1.0]), replicas=2, **changes
    )


def test_a_copy_that_is_too_late_is_stopped_or_done_for_nobody() -> None:
    slow = by_hand(hedge_after=4.0)
    for cancel, end, outcome in ((True, 10.0, "cancelled"), (False, 14.0, "done")):
        result = slow.replace(cancel=cancel).run(1)
        assert result.columns["finished"].tolist() == [10.0, 101.0]
        (late,) = result.attempts.query("outcome != 'acked'").to_dict("records")
        assert (late["message"], late["start"], late["end"]) == (0, 4.0, end)
        assert (late["outcome"], late["cause"]) == (outcome, "hedge")
        assert result.summary()["hedged"] == 0.5
        assert result.ledger.duplicates == 1


def test_a_copy_that_waits_is_withdrawn() -> None:
    """Both servers have a long call when the third comes; its copy waits behind the other one."""
    scenario = Hedging(
        interarrival=Trace([0.0, 0.1, 0.2]),
        service=Deterministic(10.0),
        replicas=2,
        hedge_after=12.0,
    )
    for seed in range(10):
        result = scenario.run(seed)
        series = result.series
        assert series["queue_length"].min() == 0
        assert series.iloc[-1].tolist() == [0, 0, 0, 0]
        assert result.ledger.acked == 3


@settings(max_examples=60, deadline=None)
@given(
    load=st.floats(0.05, 1.5),
    replicas=st.integers(2, 6),
    hedge_after=st.none() | st.floats(1e-6, 0.2),
    cancel=st.booleans(),
    duration=st.none() | st.floats(0.01, 1.0),
    seed=st.integers(0, 1000),
)
def test_every_copy_is_accounted_for(load: float, seed: int, **asked: Any) -> None:
    scenario = Hedging(messages=80, **asked).replace(load=load)
    result = scenario.run(seed)
    ledger, series = result.ledger, result.series
    assert ledger.published == ledger.acked + ledger.ready + ledger.unacked
    assert ledger.unfinished == 0 or scenario.duration is not None
    assert (series >= 0).all(axis=None)
    assert (series["busy_consumers"] <= scenario.replicas).all()
    known = result.latency[~np.isnan(result.latency)]
    assert (known > 0).all()
    assert (known >= result.wait[~np.isnan(result.latency)]).all()
    attempts = result.attempts
    assert attempts.groupby("message").size().le(2).all()
    work = attempts[attempts["by"].notna()].sort_values(["by", "start"])
    for _, mine in work.groupby("by"):
        # A server does one thing at a time.
        assert (mine["start"].to_numpy()[1:] >= mine["end"].to_numpy()[:-1] - 1e-9).all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"replicas": 1}, "replicas must be >= 2, got 1"),
        ({"hedge_after": 0}, "hedge_after must be > 0 s, got 0"),
        ({"cancel": "no"}, "cancel must be True or False, got 'no'"),
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Hedging(messages=10, **wrong)
