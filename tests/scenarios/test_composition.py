"""One request, several calls, held against the formulas of sums, of the slowest, and of copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import Deterministic, Exponential, LogNormal, Replay
from simlib.analysis import explain, replicate
from simlib.scenarios import Composition

RUNS = 20
SLOW = LogNormal(mean=0.01, cv=2.0)
FIVE = Composition(latency=Exponential(mean=0.02), messages=20_000)
FAN = Composition(shape="fan-out", availability=1.0, messages=20_000)
PERCENTILES = ("latency_p50", "latency_p95", "latency_p99")

# What is asked, and what comes of it; times in ms.
KNOWN: list[tuple[Composition, dict[str, float]]] = [
    (FIVE, {"latency_mean": 100, "latency_p99": 232, "available": 0.9950}),
    (FIVE.replace(shape="fan-out"), {"latency_mean": 45.7, "latency_p99": 124}),
    (FIVE.replace(shape="pipeline"), {"available": 0.999, "latency_mean": 100}),
    (FAN.replace(latency=0.01, calls=7), {"latency_mean": 10}),
    (FAN.replace(latency=Exponential(0.01), calls=1), {"latency_mean": 10, "latency_p99": 46}),
    (FAN.replace(latency=Exponential(0.01), calls=10), {"latency_mean": 29.3, "latency_p99": 69}),
    (
        FAN.replace(latency=Exponential(0.01), calls=100, messages=10_000),
        {"latency_mean": 51.9, "latency_p99": 92},
    ),
    (FAN.replace(latency=SLOW, calls=1), {"latency_p50": 4.5, "latency_p99": 86}),
    (FAN.replace(latency=SLOW, calls=10), {"latency_p50": 30, "latency_p99": 225}),
    (
        FAN.replace(latency=SLOW, calls=100, messages=10_000),
        {"latency_p50": 102, "latency_p99": 500},
    ),
    (
        FAN.replace(latency=SLOW, calls=100, hedge_after=0.036, messages=10_000),
        {"latency_p50": 48, "latency_p99": 105, "hedged": 0.05},
    ),
]


@pytest.mark.parametrize(("scenario", "known"), KNOWN, ids=lambda each: str(each)[:60])
def test_agrees_with_known_answers(scenario: Composition, known: dict[str, float]) -> None:
    """20 replications; the standard errors are printed, and half a unit of the last digit allowed
    beside four of them."""
    runs = replicate(scenario, RUNS, seed=1)
    for name, value in known.items():
        found = runs[name] * (1000 if name.startswith("latency") else 1)
        error = float(found.std() / np.sqrt(RUNS))
        digits = len(f"{value}".partition(".")[2]) if value != int(value) else 0
        print(f"{name}: {found.mean():.5g} ± {error:.2g}, known {value}")
        assert error <= 0.01 * value, name
        assert abs(found.mean() - value) <= 4 * error + 0.5001 * 10.0**-digits, name


@pytest.mark.parametrize("scenario", [each for each, _ in KNOWN], ids=lambda each: str(each)[:60])
def test_agrees_with_its_own_forecast(scenario: Composition) -> None:
    """20 replications; within four standard errors of everything that is predicted."""
    runs = replicate(scenario, RUNS, seed=2)
    predicted = explain(scenario).forecast.predicted
    assert "available" in predicted
    for name, value in predicted.items():
        error = float(runs[name].std() / np.sqrt(RUNS))
        assert abs(runs[name].mean() - value) <= 4 * error + 1e-9, name


def test_the_p99_of_a_sum_is_not_the_sum_of_the_p99s() -> None:
    alone = FIVE.replace(calls=1).forecast().predicted["latency_p99"]
    assert 5 * alone == pytest.approx(0.4605, abs=1e-4)
    assert FIVE.forecast().predicted["latency_p99"] < 0.52 * 5 * alone


def test_a_run_by_hand() -> None:
    calls = [0.1, 0.4, 0.2, 0.3, 0.2, 0.1]
    request = Composition(latency=Replay(calls), calls=2, messages=3, availability=1.0)
    chain, fan = request.run(1), request.replace(shape="fan-out").run(1)
    assert chain.latency == pytest.approx([0.5, 0.5, 0.3])
    assert fan.latency == pytest.approx([0.4, 0.3, 0.2])
    assert chain.columns["created"] == pytest.approx([0, 0.5, 1.0])


def test_a_copy_answers_if_it_is_faster_and_its_work_counts() -> None:
    request = Composition(
        latency=Replay([1.0, 0.2, 0.5]), calls=1, messages=3, hedge_after=0.4, availability=1.0
    )
    # Copies draw the same list here: of 1 s, and of 0.5 s.
    for cancel, work in ((True, (1.6, 0.2, 0.6)), (False, (2.0, 0.2, 1.0))):
        result = request.replace(cancel=cancel).run(1)
        assert result.latency == pytest.approx([1.0, 0.2, 0.5])
        assert result.summary()["work_mean"] == pytest.approx(np.mean(work))
        assert result.summary()["hedged"] == pytest.approx(2 / 3)


def test_a_copy_meets_the_same_work_whenever_it_is_sent() -> None:
    late, early = (FAN.replace(hedge_after=after, latency=SLOW) for after in (0.05, 0.02))
    assert (early.run(3).latency <= late.run(3).latency + 1e-9).all()
    assert (late.run(3).latency <= late.replace(hedge_after=None).run(3).latency + 1e-9).all()


def test_a_chain_stops_at_what_is_down() -> None:
    request = FIVE.replace(availability=0.5, latency=Deterministic(1.0), messages=20_000)
    summary = request.run(1).summary()
    assert summary["lost"] + summary["completed"] == 20_000
    # Calls until the first that fails, five at most: a geometric number. Its error is 0.8 %.
    assert summary["calls_per_request"] == pytest.approx(2 - 0.5**4, rel=0.03)
    assert request.replace(shape="fan-out").run(1).summary()["calls_per_request"] == 5
    assert request.replace(shape="pipeline").run(1).summary()["calls_per_request"] == (
        pytest.approx(2.5, rel=0.03)
    )


@settings(max_examples=40, deadline=None)
@given(
    shape=st.sampled_from(["chain", "fan-out"]),
    calls=st.integers(1, 30),
    hedge_after=st.none() | st.floats(0.001, 0.1),
    cancel=st.booleans(),
    availability=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_every_request_is_accounted_for(seed: int, **asked: Any) -> None:
    request = Composition(messages=50, **asked)
    result = request.run(seed)
    ledger, summary = result.ledger, result.summary()
    assert ledger.published == ledger.acked + ledger.lost == 50
    assert (result.messages["outcome"] == "lost").sum() == ledger.lost
    assert np.isnan(result.latency).sum() == ledger.lost
    assert summary["available"] == ledger.acked / 50
    assert (result.latency[~np.isnan(result.latency)] >= 0).all()
    assert 1 <= summary["calls_per_request"] <= 2 * request.calls
    assert result.doubts() == ()
    if request.hedge_after is not None and not request.cancel:
        stopped = request.replace(cancel=True).run(seed)
        assert stopped.summary()["work_mean"] <= summary["work_mean"] + 1e-9
        assert stopped.messages.equals(result.messages)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"calls": 0}, "calls must be >= 1, got 0"),
        ({"calls": 1001}, "calls must be <= 1,000, got 1001"),
        ({"availability": 1.1}, "availability must be <= 1, got 1.1"),
        ({"hedge_after": 0.0}, "hedge_after must be > 0 s, got 0"),
        ({"shape": "tree"}, "shape must be 'chain', 'fan-out' or 'pipeline', got 'tree'"),
        ({"shape": "pipeline", "hedge_after": 0.1}, "hedge_after is for calls, .* got 0.1"),
        ({"calls": 1000, "messages": 300_000}, "messages x calls must be <= 200,000,000, got"),
        ({"latency": Replay([1.0]), "messages": 2}, "latency must hold a value for each of 10"),
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Composition(**wrong)
