"""A whole put together from parts: known by hand, equal to the queue that has no parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import Exponential
from simlib.scenarios import FromParts, PointToPoint

PARTS = FromParts(
    interarrival=Exponential(mean=0.01),
    service=Exponential(mean=0.008),
    put_cost=Exponential(mean=0.002),
    get_cost=0.001,
    ack_cost=Exponential(mean=0.001),
    consumers=2,
    messages=400,
)
FLOOD = FromParts(interarrival=0.0, service=0.004, messages=3)


def instants(scenario: FromParts, name: str) -> list[float]:
    found = scenario.run(1, "simpy").messages[name]
    return [round(each, 9) for each in found]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("changes", [{}, {"consumers": 1}, {"duration": 2.0}, {"put_cost": 0.0}])
def test_the_recursion_gives_the_same_to_the_last_bit(changes: dict[str, float], seed: int) -> None:
    scenario = PARTS.replace(**changes)
    one, other = scenario.run(seed, "vector"), scenario.run(seed, "simpy")
    for name in ("created", "enqueued", "started", "finished", "acked"):
        np.testing.assert_array_equal(one.columns[name], other.columns[name])
    assert one.ledger == other.ledger


@pytest.mark.parametrize("engine", ["vector", "simpy"])
def test_without_costs_it_is_the_queue_itself(engine: str) -> None:
    facts = {"interarrival": Exponential(mean=0.01), "service": Exponential(mean=0.016)}
    bare = FromParts(**facts, consumers=2, messages=2_000).run(4, engine)
    queue = PointToPoint(**facts, consumers=2, messages=2_000).run(4)
    np.testing.assert_array_equal(bare.latency, queue.latency)


def test_side_by_side_a_put_overlaps_the_work() -> None:
    scenario = FLOOD.replace(put_cost=0.002, get_cost=0.001, ack_cost=0.001)
    assert instants(scenario, "enqueued") == [0.002, 0.004, 0.006]
    # From the second on the consumer is what has most to do: 1 + 4 + 1 ms for each.
    assert instants(scenario, "started") == [0.003, 0.009, 0.015]
    assert instants(scenario, "acked") == [0.008, 0.014, 0.020]


def test_with_one_lock_they_take_turns_in_the_order_in_which_they_ask() -> None:
    scenario = FLOOD.replace(put_cost=0.002, get_cost=0.001, ack_cost=0.001, one_lock=True)
    # The first get asks at 2 ms, as the second put does, and the producer asks first.
    assert instants(scenario, "enqueued") == [0.002, 0.004, 0.007]
    assert instants(scenario, "started") == [0.005, 0.011, 0.017]
    assert instants(scenario, "acked") == [0.010, 0.016, 0.022]


def test_one_processor_makes_one_server_of_all_consumers() -> None:
    many = FLOOD.replace(consumers=3, processors=1)
    assert instants(many, "finished") == [0.004, 0.008, 0.012]
    assert instants(many.replace(processors=2), "finished") == [0.004, 0.004, 0.008]
    assert instants(many.replace(processors=None), "finished") == [0.004, 0.004, 0.004]


def test_a_consumer_that_waited_needs_its_cold_start_and_no_get() -> None:
    scenario = FLOOD.replace(get_cost=0.001, cold_start=0.003)
    assert instants(scenario, "started") == [0.003, 0.008, 0.013]


def test_a_batch_takes_the_costs_and_the_work_of_its_first() -> None:
    scenario = FLOOD.replace(messages=5, get_cost=0.001, ack_cost=0.001, batch_size=2)
    result = scenario.run(1)
    # The first one is there alone.
    assert result.messages.groupby("batch").size().tolist() == [1, 2, 2]
    assert instants(scenario, "acked") == [0.006, 0.012, 0.012, 0.018, 0.018]


@pytest.mark.parametrize(
    ("changes", "load"),
    [
        ({}, 0.5),
        ({"put_cost": 0.009}, 0.9),
        ({"one_lock": True, "put_cost": 0.008}, 1.0),
        ({"processors": 1}, 0.8),
        ({"batch_size": 2, "put_cost": 0.0}, 0.25),
    ],
)
def test_the_load_is_that_of_whoever_has_most_to_do(changes: dict[str, float], load: float) -> None:
    assert PARTS.replace(**changes).offered_load == pytest.approx(load)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"one_lock": True}, "no recursion has one_lock"),
        ({"cold_start": 0.1}, "no recursion has cold_start"),
        ({"processors": 1}, "no recursion has processors, and it is 1"),
        ({"batch_size": 2}, "no recursion has batches"),
    ],
)
def test_what_no_recursion_has_is_said(changes: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PARTS.replace(**changes).run(1, "vector")


@settings(max_examples=25)
@given(
    put=st.sampled_from([0.0, 0.01]),
    get=st.sampled_from([0.0, 0.01]),
    ack=st.sampled_from([0.0, 0.01]),
    lock=st.booleans(),
    consumers=st.integers(1, 3),
    processors=st.sampled_from([None, 1, 2]),
    batch_size=st.integers(1, 3),
    duration=st.sampled_from([None, 0.1]),
    seed=st.integers(0, 99),
)
def test_every_message_is_accounted_for_and_nobody_waits_who_need_not(
    put: float,
    get: float,
    ack: float,
    lock: bool,
    consumers: int,
    processors: int | None,
    batch_size: int,
    duration: float | None,
    seed: int,
) -> None:
    scenario = FromParts(
        interarrival=Exponential(mean=0.01),
        service=Exponential(mean=0.01),
        messages=40,
        duration=duration,
        put_cost=put,
        get_cost=get,
        ack_cost=ack,
        one_lock=lock,
        consumers=consumers,
        processors=processors,
        batch_size=batch_size,
    )
    result = scenario.run(seed)
    rows = result.messages
    assert result.ledger.published == len(rows)
    at_work = np.sort(rows["finished"].dropna()), np.sort(rows["started"].dropna())
    busy = np.searchsorted(at_work[1], at_work[0], "right") - np.arange(1, len(at_work[0]) + 1)
    assert (busy < consumers * batch_size + 1).all()
    assert (rows["enqueued"] >= rows["created"] + put - 1e-9).all()
    worked = rows.dropna(subset=["acked"])
    assert (worked["acked"] - worked["finished"] >= ack - 1e-9).all()
    if duration is None:
        assert result.ledger.acked == 40
