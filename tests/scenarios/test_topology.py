"""Any arrangement of exchanges, queues and consumers, written down as data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlib import Deterministic, Exponential, Outage, Trace
from simlib.present import topology as picture
from simlib.scenarios import Binding, Exchange, Group, Queue, Topology
from simlib.theory import mm1


def test_a_retry_by_way_of_a_queue_with_a_time_limit_as_worked_out_by_hand() -> None:
    # All is poison: it is tried at 0, waits for 30 s from 1, is tried at 31, and is parked at 32.
    one = Topology(
        interarrival=Trace([0.0]),
        groups=(
            Group(
                consumes=("billing",),
                service=1.0,
                poison=1.0,
                on_failure="reject",
                attempts=2,
                parked="parked",
            ),
            Group(consumes=("shipping",), service=5.0),
        ),
        routing_keys={"order.paid": 1.0},
    )
    result = one.run(1)
    assert result.ledger.dead_lettered == 1
    assert result.ledger.acked == 1
    parked = result.attempts[result.attempts["message"] == 0]
    assert list(parked["start"]) == [0.0, 31.0]
    assert list(parked["end"]) == [1.0, 32.0]
    assert result.columns["left"][0] == 32.0
    assert result.columns["finished"][1] == 5.0


def test_each_group_of_a_fan_out_is_a_queue_of_its_own() -> None:
    services = (1.0, 0.5)
    fan = Topology(
        interarrival=Exponential(mean=1.25),
        exchanges=(Exchange(type="fanout"),),
        queues=tuple(Queue(name=name) for name in ("a", "b")),
        bindings=tuple(Binding(to=name) for name in ("a", "b")),
        groups=tuple(
            Group(consumes=(name,), prefetch=1, service=Exponential(mean))
            for name, mean in zip(("a", "b"), services, strict=True)
        ),
        messages=6_000,
        warmup=500,
    )
    found = np.array([list(_means(fan, seed)) for seed in range(1, 21)])
    known = [mm1(0.8, 1 / mean).W for mean in services]
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    print(f"{found.mean(axis=0)} ± {error}, known {known}")
    assert (np.abs(found.mean(axis=0) - known) <= 4 * error).all()
    assert (error < 0.06 * np.array(known)).all()


def _means(scenario: Topology, seed: int) -> tuple[float, float]:
    extras = scenario.run(seed).extras
    return extras["latency_mean_1"], extras["latency_mean_2"]


def test_consumers_of_a_group_compete_and_exchanges_may_follow_each_other() -> None:
    chain = Topology(
        interarrival=Deterministic(1.0),
        exchanges=(Exchange(name="in", type="fanout"), Exchange(name="next", alternate="rest"),
                   Exchange(name="rest", type="fanout")),
        queues=(Queue(name="work"), Queue(name="others")),
        bindings=(Binding(source="in", to="next"), Binding(source="next", to="work", key="job.#"),
                  Binding(source="rest", to="others")),
        groups=(Group(consumes=("work",), consumers=2, service=1.5),
                Group(consumes=("others",), service=0.1)),
        publish_to="in",
        routing_keys={"job.now": 0.5, "chat": 0.5},
        messages=200,
    )  # fmt: skip
    result = chain.run(3)
    queues = result.labels["queue"]
    assert result.ledger.acked == 200
    assert set(result.labels["subscriber"][queues == 0]) == {0, 1}
    assert set(result.labels["subscriber"][queues == 1]) == {2}
    assert chain.slowest == pytest.approx(0.5 * 1.5 / 2)
    assert "job.#" in picture(chain.broker(), exchange="in", routing_key="job.now").get_label()


def test_it_is_the_same_in_json_and_to_the_bit() -> None:
    given = Topology(messages=300, outages=(Outage(of="broker", start=100.0, duration=5.0),))
    again = Topology.model_validate_json(given.model_dump_json())
    assert again == given
    one, other = given.run(7), again.run(7)
    for name, column in one.columns.items():
        np.testing.assert_array_equal(column, other.columns[name])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"publish_to": "event"},
            "publish_to must be the name of an exchange: 'events', got 'event'",
        ),
        ({"bindings": (Binding(to="bills"),)}, r"bindings\[0\].to must be .* got 'bills'"),
        ({"groups": (Group(consumes=("bills",)),)}, r"groups\[0\].consumes must be .* got 'bills'"),
        ({"queues": (Queue(name="events"),)}, "names of their own, got 'events' twice"),
        ({"routing_keys": {"a": 0.5}}, "must add up to 1, got 0.5"),
        ({"routing_keys": {}}, "each share in routing_keys must be > 0"),
        (
            {"groups": (Group(consumes=("billing",), poison=0.1),)},
            r"groups\[0\] come back for ever",
        ),
        ({"consumers": 2}, "write groups="),
    ],
)
def test_what_does_not_fit_is_refused_in_words(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Topology(messages=10, **changes)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"attempts": 3}, "attempts and parked go together"),
        ({"attempts": 3, "parked": "queue"}, "on_failure='reject'"),
        ({"consumes": ()}, "consumes must"),
    ],
)
def test_a_group_that_makes_no_sense_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Group(**given)


CHANCE = st.sampled_from([0.0, 0.3])


@st.composite
def arrangements(draw: st.DrawFn) -> Topology:
    """Something with exchanges in a row, limits of all kinds, and failures of all kinds."""
    reject = draw(st.booleans())
    billing = Group(
        consumes=("billing",),
        consumers=draw(st.integers(1, 3)),
        failing=draw(CHANCE),
        poison=draw(CHANCE),
        prefetch=draw(st.integers(0, 3)),
        on_failure="reject" if reject else "requeue",
        attempts=3 if reject else None,
        parked="parked" if reject else None,
    )
    billed = Queue(
        name="billing",
        capacity=draw(st.sampled_from([None, 1, 5])),
        overflow=draw(st.sampled_from(["drop-head", "reject-publish"])),
        ttl=draw(st.sampled_from([None, 2.0])),
        attempts=None if reject else 3,
        dead_letters=draw(st.sampled_from(["later", "parked", "events"]))
        if not reject
        else "later",
    )
    of = draw(st.sampled_from(["broker", "consumers", "publisher", "network"]))
    kind = "crash" if of in ("broker", "consumers") else "hang"
    outages = (Outage(of=of, kind=kind, start=5.0, duration=draw(st.sampled_from([0.5, 3.0]))),)
    return Topology(
        queues=(billed, Queue(name="later", ttl=1.5, dead_letters="billing"),
                Queue(name="shipping"), Queue(name="parked")),
        groups=(billing, Group(consumes=("shipping",), failing=draw(CHANCE))),
        outages=outages if draw(st.booleans()) else (),
        confirms=draw(st.sampled_from(["none", "each"])),
        network=draw(st.sampled_from([0.0, 0.1])),
        messages=40,
        duration=400.0,
    )  # fmt: skip


@given(arrangements(), st.integers(0, 1000))
def test_every_copy_is_accounted_for(scenario: Topology, seed: int) -> None:
    result = scenario.run(seed)  # which balances its ledger, or raises
    rows = result.messages["outcome"].value_counts()
    assert rows.get("acked", 0) == result.ledger.acked
    assert rows.get("dead-lettered", 0) == result.ledger.dead_lettered
    assert len(result.messages) == result.ledger.published
