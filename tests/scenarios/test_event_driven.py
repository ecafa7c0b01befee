"""Events through a queue, a database or an API."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import Deterministic, Exponential, Outage
from simlib.analysis import compare, replicate
from simlib.scenarios import EventDriven
from simlib.theory import mm1

WAYS = ("queue", "database", "api")
BUSY = EventDriven(messages=1_000)


def down(start: float, duration: float) -> tuple[Outage, ...]:
    """The first subscriber is down for a while."""
    return (Outage(of="consumers", share=0.01, start=start, duration=duration),)


# One event at a time for two subscribers, each with 100 ms of work: every instant by hand.
LONELY = EventDriven(
    interarrival=Deterministic(5.0),
    service=Deterministic(0.1),
    subscribers=2,
    publishers=1,
    network=0.01,
    put_cost=0.005,
    get_cost=0.002,
    polling=None,
    messages=3,
)


def latencies(scenario: EventDriven, seed: int = 1) -> list[list[float]]:
    """Of each event, the latencies of the subscribers in turn (s)."""
    messages = scenario.run(seed).messages.sort_values(["event", "subscriber"])
    return messages["latency"].to_numpy().reshape(-1, scenario.subscribers).tolist()


def test_a_lonely_event_through_a_queue_takes_two_trips_the_store_and_the_work() -> None:
    assert np.array(latencies(LONELY)) == pytest.approx(0.01 + 0.005 + 0.01 + 0.1)
    answered = LONELY.run(1).messages.eval("answered - created")
    assert answered.to_numpy() == pytest.approx(0.025)


def test_a_notified_reader_has_yet_to_ask() -> None:
    there = 0.01 + 0.005
    notice, ask = 0.01, 0.01 + 0.002 + 0.01
    found = np.array(latencies(LONELY.replace(way="database")))
    assert found == pytest.approx(there + notice + ask + 0.1)


def test_a_reader_that_polls_finds_an_event_at_its_next_look() -> None:
    polling = LONELY.replace(way="database", polling=1.0, get_cost=0.0, network=0.0, put_cost=0.0)
    # Subscriber 1 first looks at 0.5 s, and again after each second of sleep. It works on what it
    # finds for 0.1 s, looks again, and sleeps.
    looks = polling.run(1).messages.pivot(index="event", columns="subscriber", values="started")
    assert looks[1].tolist() == pytest.approx([5.5, 10.6, 15.7])
    assert polling.run(1).summary()["reads_per_event"] > 5


def test_calls_are_made_one_after_the_other() -> None:
    found = latencies(LONELY.replace(way="api"))
    assert np.array(found) == pytest.approx(np.array([[0.11, 0.23]] * 3))
    result = LONELY.replace(way="api").run(1)
    assert result.messages.eval("answered - created").to_numpy() == pytest.approx(0.24)
    assert result.summary()["publisher_busy"] == pytest.approx(3 * 0.24 / result.duration)


def test_a_call_to_the_dead_is_repeated_and_given_up() -> None:
    dead = LONELY.replace(way="api", timeout=0.5, retry_delay=0.2, attempts=3, outages=down(4, 9))
    result = dead.run(1)
    # Created at 5 and 10: three times 0.5 s and pauses of 0.2 and 0.4 s before the other's turn.
    first, second, third = latencies(dead)
    assert first == pytest.approx([np.nan, 2.1 + 0.11], nan_ok=True)
    assert second == pytest.approx([np.nan, 2.1 + 0.11], nan_ok=True)
    assert third == pytest.approx([0.11, 0.23])
    assert result.ledger.lost == result.summary()["lost_1"] == 2
    assert result.summary()["lost_2"] == 0
    assert result.summary()["calls_per_event"] == (3 * 2 + 1 + 3) / 3


def test_what_answers_too_late_is_not_done_twice() -> None:
    slow = LONELY.replace(way="api", timeout=0.1, retry_delay=0.05, attempts=5)
    result = slow.run(1)
    assert result.ledger.acked == 6
    assert np.isclose(result.summary()["utilisation"], 6 * 0.1 / 2 / result.duration)
    assert result.summary()["calls_per_event"] == 4


@pytest.mark.parametrize("way", ["queue", "database"])
def test_what_is_stored_outlives_a_dead_subscriber(way: str) -> None:
    dead = BUSY.replace(way=way, outages=down(20, 20))
    result, healthy = dead.run(2), BUSY.replace(way=way).run(2)
    assert result.ledger.acked == 3_000
    messages, other = result.messages, healthy.messages
    during = messages["finished"].between(20.001, 40, inclusive="left")
    assert not (during & (messages["subscriber"] == 0)).any()
    alive = messages["subscriber"] != 0
    assert messages.loc[alive, "finished"].equals(other.loc[alive, "finished"])
    assert result.summary()["caller_mean"] == healthy.summary()["caller_mean"]


def test_a_dead_subscriber_that_is_called_makes_the_others_late() -> None:
    dead = BUSY.replace(way="api", outages=down(20, 20))
    result, healthy = dead.run(2).summary(), BUSY.replace(way="api").run(2).summary()
    assert result["lost_1"] > 0
    assert result["latency_mean_3"] > 3 * healthy["latency_mean_3"]
    assert result["publisher_busy"] > healthy["publisher_busy"]


def test_a_database_keeps_every_event_and_a_queue_only_what_is_not_done() -> None:
    stored = {way: BUSY.replace(way=way).run(3).summary()["stored_max"] for way in WAYS}
    assert stored["database"] == 1_000
    assert 0 < stored["queue"] < 100
    assert stored["api"] == 0


def test_all_ways_meet_the_same_events_and_the_same_work() -> None:
    runs = [BUSY.replace(way=way).run(4).messages for way in WAYS]
    for other in runs[1:]:
        for name in ("created", "event", "subscriber"):
            assert other[name].equals(runs[0][name])
        work = [each.eval("finished - started").to_numpy() for each in (runs[0], other)]
        assert work[0] == pytest.approx(work[1])


def test_another_subscriber_leaves_the_others_as_they_were() -> None:
    few, many = (BUSY.replace(subscribers=number).run(5).messages for number in (2, 3))
    same = many["subscriber"] < 2
    assert few["finished"].tolist() == many.loc[same, "finished"].tolist()


@pytest.mark.parametrize("way", WAYS)
def test_the_same_seed_gives_the_same_run_to_the_bit(way: str) -> None:
    scenario = BUSY.replace(way=way, outages=down(20, 5))
    first, second = scenario.run(6), scenario.run(6)
    assert first.messages.equals(second.messages)
    assert first.summary().equals(second.summary())
    told: list[float] = []
    assert scenario.run(6, progress=told.append).messages.equals(first.messages)
    assert told[-1] == 1.0


def test_with_ample_threads_each_subscriber_of_a_queue_is_an_mm1_queue() -> None:
    """10 runs of 6,000 events at half load: the standard error is about 1 % of the mean."""
    scenario = EventDriven(subscribers=1, messages=6_000, warmup=500, publishers=1_000)
    latency = replicate(scenario, 10, seed=11)["latency_mean"]
    expected = 2 * 0.005 + 0.002 + mm1(arrival_rate=10, service_rate=20).W
    error = latency.std() / np.sqrt(len(latency))
    assert error < 0.02 * expected
    assert abs(latency.mean() - expected) < 4 * error


def test_pairs_are_compared() -> None:
    pairs = compare(BUSY, BUSY.replace(way="api"), replications=5, seed=1)
    assert pairs.interval("latency_mean").low > 0
    assert pairs.interval("publisher_busy").low > 0.3


@settings(max_examples=60)
@given(
    way=st.sampled_from(WAYS),
    subscribers=st.integers(1, 4),
    publishers=st.integers(1, 5),
    network=st.sampled_from([0.0, 0.005, 0.1]),
    put_cost=st.sampled_from([0.0, 0.01]),
    prefetch=st.integers(1, 5),
    polling=st.sampled_from([None, 0.1, 2.0]),
    timeout=st.sampled_from([0.25, 1.0]),
    attempts=st.integers(1, 3),
    outages=st.just(()) | st.builds(down, st.floats(0, 8), st.floats(0.1, 8)),
    duration=st.none() | st.floats(0.5, 20),
    seed=st.integers(0, 2**32),
)
def test_every_copy_is_accounted_for(way, subscribers, duration, seed, **parameters) -> None:
    scenario = EventDriven(
        way=way,
        subscribers=subscribers,
        duration=duration,
        interarrival=Exponential(mean=0.1),
        messages=100,
        **parameters,
    )
    result = scenario.run(seed)
    ledger, messages = result.ledger, result.messages
    assert ledger.published == len(messages)
    assert min(ledger[name] for name in dict(ledger)) >= 0
    counts = messages["outcome"].value_counts()
    assert counts["lost"] == ledger.lost
    if duration is None:
        assert ledger.ready == ledger.unacked == 0
        assert counts["acked"] == ledger.acked
        if way != "api":
            assert ledger.lost == 0
    for before, after in pairwise(["created", "enqueued", "started", "finished"]):
        assert not (messages[after] < messages[before] - 1e-9).any()
    busy = result.series["busy_consumers"]
    assert busy.min() >= 0
    assert busy.max() <= subscribers
    assert result.series["queue_length"].min() >= 0
    result.summary()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("way", "pigeon", "'queue', 'database' or 'api'"),
        ("subscribers", 0, ">= 1"),
        ("timeout", 0.01, "timeout must be longer than .* 0.01 s, got 0.01"),
        ("polling", 0.0, "> 0"),
        ("attempts", 1.5, "whole number"),
        ("retries", 3, "there is no 'retries'"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(field: str, value: object, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        BUSY.replace(**{field: value})
    assert field in str(refused.value)
