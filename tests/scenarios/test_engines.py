"""The two engines give the same sample path."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import (
    Batches,
    Breakdowns,
    Bursty,
    Deterministic,
    Empirical,
    Erlang,
    Exponential,
    Hyperexponential,
    Linger,
    LogNormal,
    Outage,
    Replay,
    Trace,
    Uniform,
    VaryingPoisson,
)
from simlib.analysis import Result
from simlib.scenarios import ClosedLoop, Pipeline, PointToPoint, Scenario, Station, SyncVsAsync

NEAR = 1e-9
"""How far off an instant may be, relatively."""


def _assert_same_path(scenario: Scenario, seed: int) -> Result:
    simulated, calculated = scenario.run(seed, "simpy"), scenario.run(seed, "vector")
    assert (simulated.engine, calculated.engine) == ("simpy", "vector")
    left, right = simulated.messages, calculated.messages
    assert list(left) == list(right)
    assert len(left) == len(right)
    for name in left:
        if left[name].dtype == float:
            np.testing.assert_allclose(right[name], left[name], NEAR, 1e-12, err_msg=name)
        else:
            assert right[name].tolist() == left[name].tolist(), name
    assert dict(simulated.ledger) == dict(calculated.ledger)
    assert simulated.duration == pytest.approx(calculated.duration, rel=NEAR)
    one, other = simulated.summary(), calculated.summary()
    assert one.name == other.name
    assert list(one.index) == list(other.index)
    np.testing.assert_allclose(other, one, NEAR, 1e-12)
    np.testing.assert_array_equal(simulated.series, calculated.series)
    return calculated


# Few different values, so that things often happen at the same instant; 0.1 is none that a
# computer can represent.
span = st.sampled_from([0.0, 0.0, 0.1, 0.25, 0.5, 1.0]) | st.floats(0.0, 3.0)
drawn = st.sampled_from(
    [
        Exponential(1.0),
        Deterministic(1.0),
        Deterministic(0.1),
        Deterministic(0.3),
        Erlang(3, 1.0),
        LogNormal(1.0, 1.5),
        Hyperexponential(1.0, 2.0),
        Uniform(0.0, 2.0),
        Empirical([0.0, 0.5, 0.5, 2.0]),
    ]
)
processes = st.sampled_from(
    [
        Deterministic(0.0),
        Batches(interarrival=Deterministic(1.0), size=(1, 4)),
        Bursty(rates=(5.0, 0.2), mean_sojourns=(2.0, 10.0)),
        VaryingPoisson(mean_rate=1.0, amplitude=0.9, period=20.0),
    ]
)


@st.composite
def _parts(draw: st.DrawFn, works: int) -> tuple[dict[str, Any], list[Any]]:
    """What publishes messages, and so many kinds of work for them."""
    recorded = draw(st.booleans())
    messages = draw(st.integers(1, 40 if recorded else 200))
    fields: dict[str, Any] = {"warmup": draw(st.integers(0, messages - 1))}
    if recorded:
        gaps = draw(st.lists(span, min_size=messages, max_size=messages))
        fields["interarrival"] = (
            Replay(gaps) if draw(st.booleans()) else Trace(np.cumsum(gaps).tolist())
        )
        services = [Replay(draw(st.lists(span, min_size=messages, max_size=messages)))] * works
    else:
        fields["interarrival"] = draw(drawn | processes)
        services = [draw(drawn) for _ in range(works)]
    endless = not recorded and fields["interarrival"] != Deterministic(0.0) and draw(st.booleans())
    if not (recorded or endless):
        fields["messages"] = messages
    if endless or draw(st.booleans()):
        fields["duration"] = draw(st.sampled_from([1.0, 2.5, 10.0]) | st.floats(0.1, 60.0))
    return fields, services


@st.composite
def _queues(draw: st.DrawFn) -> PointToPoint:
    fields, (service,) = draw(_parts(1))
    return PointToPoint(
        **fields,
        service=service,
        consumers=draw(st.integers(1, 6)),
        capacity=draw(st.sampled_from([None, None, 0, 1, 5])),
    )


@st.composite
def _front_services(draw: st.DrawFn) -> SyncVsAsync:
    fields, (service,) = draw(_parts(1))
    costs = st.sampled_from([0.0, 0.0, 0.1, 0.5])
    return SyncVsAsync(
        **fields,
        service=service,
        mode=draw(st.sampled_from(["sync", "async"])),
        workers=draw(st.integers(1, 4)),
        connections=draw(st.integers(1, 6)),
        network=draw(costs),
        put_cost=draw(costs),
        get_cost=draw(costs),
        ack_cost=draw(costs),
    )


@st.composite
def _closed_loops(draw: st.DrawFn) -> ClosedLoop:
    messages = draw(st.integers(1, 100))
    fields: dict[str, Any] = {}
    for name in ("think", "service"):
        spans = st.lists(span, min_size=messages, max_size=messages).map(Replay)
        fields[name] = draw(drawn | st.just(Deterministic(0.0)) | spans)
    return ClosedLoop(
        **fields,
        callers=draw(st.integers(1, 8) | st.integers(1, 150)),
        workers=draw(st.integers(1, 4)),
        messages=messages,
        warmup=draw(st.integers(0, messages - 1)),
    )


seeds = st.integers(0, 2**32)


@given(_queues(), seeds)
@settings(max_examples=250)
def test_a_queue_fares_the_same_in_both_engines(scenario: PointToPoint, seed: int) -> None:
    _assert_same_path(scenario, seed)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"interarrival": Exponential(1.001)},
        {"interarrival": Exponential(0.9)},
        {"interarrival": Exponential(3.0), "warmup": 1_000},
        {"interarrival": Deterministic(0.1), "service": Deterministic(0.1)},
        {"interarrival": Deterministic(0.1), "service": Empirical([0.0, 0.1, 0.2])},
        {"interarrival": Deterministic(0.0)},
        {"consumers": 8, "interarrival": Exponential(0.15)},
        {"consumers": 3, "capacity": 4, "interarrival": Exponential(0.3)},
        {"messages": None, "duration": 80_000.0},
    ],
)
def test_long_runs_stay_together(changes: dict[str, Any]) -> None:
    # More than the recursion computes at a time, so that its parts must fit together.
    fields = {"interarrival": Exponential(1.25), "messages": 70_000, **changes}
    _assert_same_path(PointToPoint(**fields), 1)


@st.composite
def _stations(draw: st.DrawFn, services: list[Any], blocking: bool) -> list[Station]:
    if blocking:
        return [
            Station(service=service, capacity=draw(st.none() | st.integers(0, 3)))
            for service in services
        ]
    return [
        Station(
            service=service,
            consumers=draw(st.integers(1, 4)),
            capacity=draw(st.sampled_from([None, None, 0, 1, 3])),
            overflow="reject",
        )
        for service in services
    ]


@st.composite
def _lines(draw: st.DrawFn) -> Pipeline:
    fields, services = draw(_parts(draw(st.integers(1, 4))))
    return Pipeline(**fields, stations=draw(_stations(services, draw(st.booleans()))))


@given(_lines(), seeds)
@settings(max_examples=250)
def test_a_line_of_stations_fares_the_same_in_both_engines(scenario: Pipeline, seed: int) -> None:
    _assert_same_path(scenario, seed)


@given(_front_services(), seeds)
@settings(max_examples=250)
def test_requests_fare_the_same_in_both_engines(scenario: SyncVsAsync, seed: int) -> None:
    _assert_same_path(scenario, seed)


@given(_closed_loops(), seeds)
@settings(max_examples=250)
def test_callers_fare_the_same_in_both_engines(scenario: ClosedLoop, seed: int) -> None:
    calculated = _assert_same_path(scenario, seed)
    simulated = scenario.run(seed, "simpy")
    for name in ("created", "started", "finished"):
        assert calculated.messages[name].tolist() == simulated.messages[name].tolist()
    assert calculated.observed_until == simulated.observed_until


def test_the_library_chooses_the_recursion_where_there_is_one() -> None:
    scenario = PointToPoint(messages=100)
    assert scenario.run().engine == "vector"
    assert scenario.replace(ack_cost=0.1).run().engine == "simpy"
    assert scenario.run(engine="simpy").engine == "simpy"


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        (PointToPoint(messages=9, put_cost=0.1), ["put_cost"]),
        (PointToPoint(messages=9, get_cost=0.1), ["get_cost"]),
        (PointToPoint(messages=9, ack_cost=0.1), ["ack_cost"]),
        (PointToPoint(messages=9, priorities=(0.5, 0.5)), ["priorities"]),
        (PointToPoint(messages=9, linger=Linger(size=2, time=1.0)), ["linger"]),
        (PointToPoint(messages=9, polling=Deterministic(1.0)), ["polling"]),
        (PointToPoint(messages=9, cold_start=Deterministic(1.0)), ["cold_start"]),
        (
            PointToPoint(messages=9, breakdowns=Breakdowns(rate=0.1, repair=Deterministic(1.0))),
            ["breakdowns"],
        ),
        (PointToPoint(messages=9, batch_size=2), ["batch_size"]),
        (SyncVsAsync(messages=9, capacity=3), ["capacity"]),
        (SyncVsAsync(messages=9, outages=(Outage(of="service", start=1),)), ["outages"]),
        (
            Pipeline(messages=9, stations=[Station(), Station(consumers=2, capacity=1)]),
            ["stations[1].consumers", "blocks"],
        ),
        (
            Pipeline(
                messages=9, stations=[Station(capacity=3, overflow="reject"), Station(capacity=1)]
            ),
            ["stations[0] rejects", "stations[1] blocks"],
        ),
    ],
)
def test_what_only_simpy_can_run_says_why(scenario: Scenario, words: list[str]) -> None:
    with pytest.raises(ValueError, match="the vector engine can't run this") as caught:
        scenario.run(engine="vector")
    for word in words:
        assert word in str(caught.value)


def test_progress_is_told_by_the_recursion_too() -> None:
    told: list[float] = []
    PointToPoint(messages=9).run(engine="vector", progress=told.append)
    assert told == [1.0]


def test_an_engine_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r"engine must be one of .*'abacus'"):
        PointToPoint(messages=9).run(engine="abacus")  # type: ignore[arg-type]
