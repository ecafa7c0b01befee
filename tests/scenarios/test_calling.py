"""What a call is made of: each part of its latency, and each way to fail."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import Deterministic, Exponential, Outage, ParameterError, Trace
from simlib.processes.calls.server import Late
from simlib.scenarios import Calling
from simlib.theory import mmc, mmck


def one(**changes: Any) -> Calling:
    """Calls that never meet, with parts that are easy to tell apart."""
    parts = {"rtt": 0.04, "service": 0.01, "bandwidth": 1000.0, "up": 1, "down": 2}
    return Calling(**{"interarrival": Trace([0.0, 5.0]), **parts, **changes})


@pytest.mark.parametrize(
    ("changes", "first", "second"),
    [
        ({"cold": "never"}, 0.053, 0.053),
        ({"cold": "first"}, 0.133, 0.053),
        ({"cold": "each"}, 0.133, 0.133),
        ({"cold": "each", "handshakes": 1}, 0.093, 0.093),
        ({"cold": "never", "rtt": 0.0, "bandwidth": 1e12}, 0.01, 0.01),
    ],
    ids=str,
)
def test_the_parts_of_a_call(changes: dict[str, Any], first: float, second: float) -> None:
    table = one(**changes).run().messages
    took = table["answered"] - table["created"]
    assert took.tolist() == pytest.approx([first, second])


def test_a_call_waits_for_a_connection_but_not_for_ever() -> None:
    three = one(interarrival=Trace([0.0, 0.0, 0.0]), connections=1, cold="never")
    table = three.run().messages
    assert table["connected"].tolist() == pytest.approx([0, 0.053, 0.106])
    impatient = three.replace(checkout_timeout=0.1).run()
    assert impatient.messages["outcome"].tolist() == ["acked", "acked", "lost"]
    refused = impatient.attempts.iloc[-1]
    assert (refused["outcome"], refused["cause"]) == ("refused", "checkout")
    assert refused["released"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("late", "fates"),
    [
        ("done", {"answered": 1, "late": 2}),
        ("cancelled", {"answered": 1, "cancelled": 1, "late": 1}),
        ("skipped", {"answered": 1, "skipped": 1, "late": 1}),
    ],
)
def test_what_becomes_of_work_whose_caller_has_left(late: Late, fates: dict[str, int]) -> None:
    scenario = Calling(
        interarrival=Trace([0.0, 0.0, 0.0]),
        service=1.0,
        workers=1,
        timeout=1.5,
        cold="never",
        late=late,
    )
    seen = scenario.run().extras
    counted = ("answered", "failed", "late", "rejected", "skipped", "cancelled", "under_way")
    assert {name: seen[name] for name in counted if seen[name]} == fates


def test_a_full_backlog_refuses_and_a_refused_connection_is_set_up_again() -> None:
    scenario = Calling(
        interarrival=Trace([0.0, 0.0, 0.0, 5.0]), service=1.0, workers=1, backlog=1, timeout=None
    )
    result = scenario.run()
    assert result.messages["outcome"].tolist() == ["acked", "acked", "lost", "acked"]
    assert result.attempts["cause"].tolist() == ["", "", "full", ""]
    assert result.extras["set_up"] == 3
    # The last call has one of the two connections that were not closed.
    assert result.messages["started"].iloc[3] == pytest.approx(5 + 0.25e-3 + 300 / 1.25e8)


@pytest.mark.parametrize("kind", ["crash", "hang", "slow"])
def test_a_service_that_fails(kind: Literal["crash", "hang", "slow"]) -> None:
    outage = Outage(
        of="service", kind=kind, start=2.0, duration=1.0, factor=20.0 if kind == "slow" else None
    )
    seen = Calling(messages=2000, outages=(outage,), timeout=0.2).run(1).extras
    assert seen["goodput"] < 0.9
    assert bool(seen["late"]) == (kind != "crash")
    assert bool(seen["failed"]) == (kind == "crash")


def test_workers_and_backlog_are_a_queue_with_a_bound() -> None:
    """M/M/c/K, connections aside."""
    scenario = Calling(
        interarrival=Exponential(1 / 12),
        service=Exponential(0.1),
        workers=1,
        backlog=3,
        timeout=None,
        connections=10_000,
        rtt=0.0,
        messages=6000,
    )
    refused = [1 - scenario.run(seed).extras["goodput"] for seed in range(5)]
    error = np.std(refused, ddof=1) / 5**0.5
    assert abs(np.mean(refused) - mmck(12, 10, 1, 4).p_loss) < 4 * error


def test_connections_are_servers_to_who_waits_for_one() -> None:
    """M/M/c with a connection for each worker: what waits, waits in the pool."""
    scenario = Calling(
        interarrival=Exponential(0.05),
        service=Exponential(0.08),
        connections=2,
        workers=2,
        rtt=0.0,
        up=0,
        down=0,
        timeout=None,
        messages=6000,
        warmup=500,
    )
    waits = []
    for seed in range(5):
        table = scenario.run(seed).messages[500:]
        waits.append((table["connected"] - table["created"]).mean())
    error = np.std(waits, ddof=1) / 5**0.5
    assert abs(np.mean(waits) - mmc(20, 12.5, 2).Wq) < 4 * error


@settings(max_examples=40, deadline=None)
@given(
    st.builds(
        Calling,
        interarrival=st.just(Exponential(0.02)),
        service=st.sampled_from([Exponential(0.05), Deterministic(0.1)]),
        rtt=st.sampled_from([0.0, 5e-4, 0.1]),
        cold=st.sampled_from(["never", "first", "each"]),
        connections=st.integers(1, 5),
        checkout_timeout=st.none() | st.sampled_from([0.05, 0.5]),
        workers=st.integers(1, 3),
        backlog=st.none() | st.integers(0, 3),
        timeout=st.none() | st.sampled_from([0.05, 0.2]),
        late=st.sampled_from(["done", "cancelled", "skipped"]),
        outages=st.sampled_from(
            [
                (),
                (Outage(of="service", start=0.5, duration=0.5),),
                (Outage(of="service", kind="hang", start=0.5, duration=0.5),),
            ]
        ),
        messages=st.none() | st.just(80),
        duration=st.sampled_from([1.5, 3.0]),
    ),
    st.integers(0, 100),
)
def test_every_call_is_accounted_for(scenario: Calling, seed: int) -> None:
    result = scenario.run(seed)
    seen = result.extras
    fates = ("answered", "failed", "late", "rejected", "skipped", "cancelled", "under_way")
    assert seen["attempts"] == sum(seen[name] for name in fates) == result.ledger.published
    table = result.messages
    took = (table["answered"] - table["created"]).dropna()
    if scenario.timeout is not None:
        assert (took <= scenario.timeout + 1e-9).all()
    held = table["connected"].dropna()
    assert len(held) <= len(table)
    again = scenario.run(seed)
    for name, column in result.columns.items():
        np.testing.assert_array_equal(column, again.columns[name])


def test_a_timeout_below_the_way_there_and_back_is_doubted() -> None:
    scenario = Calling(messages=20, rtt=0.04, timeout=0.03)
    assert "below the 0.0400" in scenario.doubted()[0]
    result = scenario.run()
    assert scenario.doubted()[0] in result.doubts()
    assert result.extras["answered"] == 0
    assert not Calling(messages=20).doubted()


def test_bad_input_is_refused() -> None:
    with pytest.raises(ParameterError, match="connections must be <= 10,000, got 10001"):
        Calling(messages=1, connections=10_001)
    with pytest.raises(ParameterError, match="cold must be 'never', 'first' or 'each'"):
        Calling(messages=1, cold="always")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="bandwidth must be > 0 B/s, got 0"):
        Calling(messages=1, bandwidth=0.0)
