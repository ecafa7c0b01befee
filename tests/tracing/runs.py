"""Runs of every scenario, with all that may go wrong in it: what spans are made of."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from simlib import Exponential, Outage
from simlib.analysis import Result
from simlib.scenarios import (
    ClosedLoop,
    DeliveryGuarantees,
    EventDriven,
    Pipeline,
    PointToPoint,
    PublishSubscribe,
    Scenario,
    SyncVsAsync,
    Topology,
)
from simlib.scenarios.pipeline import Station

costs = st.sampled_from([0.0, 0.1])
chances = st.sampled_from([0.0, 0.2])
ends = st.sampled_from([None, 8.0])
counts = st.integers(1, 25)


def _outages(of: str, *kinds: str, **others: Any) -> st.SearchStrategy[tuple[Outage, ...]]:
    def outage(kind: str, start: float, **more: Any) -> tuple[Outage, ...]:
        factor = 3.0 if kind == "slow" else None
        return (Outage(of=of, kind=kind, start=start, duration=1.5, factor=factor, **more),)

    given = {"kind": st.sampled_from(kinds), "start": st.sampled_from([0.1, 3.0]), **others}
    return st.one_of(st.just(()), st.builds(outage, **given))


scenarios: dict[str, st.SearchStrategy[Scenario]] = {
    "PointToPoint": st.builds(
        PointToPoint,
        messages=counts,
        duration=ends,
        consumers=st.integers(1, 3),
        capacity=st.sampled_from([None, 0, 2]),
        put_cost=costs,
        get_cost=costs,
        ack_cost=costs,
        batch_size=st.sampled_from([1, 3]),
        outages=st.one_of(
            _outages("consumers", "crash", "hang", "slow"), _outages("broker", "crash", "power")
        ),
    ),
    "SyncVsAsync": st.builds(
        SyncVsAsync,
        messages=counts,
        duration=st.sampled_from([None, 0.6]),
        mode=st.sampled_from(["sync", "async"]),
        workers=st.integers(1, 4),
        connections=st.integers(1, 4),
        capacity=st.sampled_from([None, 2]),
        outages=_outages("service", "crash", "hang", "slow"),
    ),
    "ClosedLoop": st.builds(ClosedLoop, messages=counts, callers=st.integers(1, 5)),
    "Pipeline": st.builds(
        Pipeline,
        messages=counts,
        duration=ends,
        stations=st.lists(
            st.builds(
                Station,
                service=st.just(Exponential(1.0)),
                capacity=st.sampled_from([None, 0, 1]),
                overflow=st.sampled_from(["block", "reject"]),
            ),
            min_size=1,
            max_size=3,
        ),
    ),
    "PublishSubscribe": st.builds(
        PublishSubscribe,
        messages=counts,
        duration=ends,
        arrangement=st.sampled_from(["fan-out", "competing", "group"]),
        subscribers=st.integers(1, 3),
        partitions=st.just(4),
        workers=st.integers(1, 2),
        network=costs,
        publish_cost=costs,
        confirms=st.sampled_from(["none", "each", "batch", "pipelined"]),
        capacity=st.sampled_from([None, 2]),
        overflow=st.sampled_from(["drop-head", "reject-publish"]),
        ack_lost=chances,
        failing=chances,
        attempts=st.sampled_from([3, 6]),
        outages=_outages("consumers", "crash", "hang", "slow"),
    ),
    "Topology": st.builds(
        Topology,
        messages=counts,
        duration=ends,
        network=costs,
        confirms=st.sampled_from(["none", "each"]),
        outages=_outages("consumers", "crash", "hang", "slow"),
    ),
    "DeliveryGuarantees": st.builds(
        DeliveryGuarantees,
        messages=counts,
        semantics=st.sampled_from(["at most once", "at least once", "effectively once"]),
        confirms=st.booleans(),
        publish_lost=chances,
        confirm_lost=chances,
        delivery_lost=chances,
        crashing=chances,
        booked_and_crashed=chances,
        ack_lost=chances,
        failing=chances,
        attempts=st.just(4),
        retry_delay=st.sampled_from([None, 0.3]),
        persistent=st.booleans(),
        outages=_outages("broker", "crash"),
    ),
    "EventDriven": st.builds(
        EventDriven,
        messages=counts,
        duration=st.sampled_from([None, 1.0]),
        way=st.sampled_from(["queue", "database", "api"]),
        subscribers=st.integers(1, 3),
        attempts=st.integers(1, 3),
        polling=st.sampled_from([None, 1.0]),
        outages=_outages("consumers", "crash", "hang", "slow", share=st.sampled_from([0.4, 1.0])),
    ),
}


def results(name: str) -> st.SearchStrategy[Result]:
    """Runs of a scenario with any parameters and seed."""
    return st.builds(lambda scenario, seed: scenario.run(seed), scenarios[name], st.integers(0, 99))


any_result = st.sampled_from(sorted(scenarios)).flatmap(results)
