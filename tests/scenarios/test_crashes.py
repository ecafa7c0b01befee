"""Queues on the disk in the middle, and crashes of consumers, brokers and machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import (
    Breakdowns,
    Deterministic,
    Exponential,
    Linger,
    Outage,
    Trace,
)
from simlib.analysis import Result
from simlib.costs import CostProfile
from simlib.processes import SimQueue, directory
from simlib.queues import FileQueue
from simlib.scenarios import PointToPoint
from simlib.values import ParameterError

KINDS = ("memory", "file", "sqlite")
ON_DISK = ("file", "sqlite")
MODES = ("always", "batch", "never")
FREE = {"put_cost": 0.0, "get_cost": 0.0, "ack_cost": 0.0}
ACCOUNTS = ("acked", "ready", "unacked", "dead_lettered", "expired", "dropped", "lost")

each_kind = pytest.mark.parametrize("queue", KINDS)
each_on_disk = pytest.mark.parametrize("queue", ON_DISK)


def _run(times: list[float], **options: Any) -> Result:
    fields = {**FREE, "service": Deterministic(1.0), "queue": "file", **options}
    return PointToPoint(interarrival=Trace(times), **fields).run(1)


def _outage(what: str, **fields: Any) -> Outage:
    """A crash of one consumer, of the broker, or a power cut."""
    which: dict[str, Any] = {
        "consumer": {"of": "consumers", "share": 0.01},
        "broker": {"of": "broker"},
        "power": {"of": "broker", "kind": "power"},
    }[what]
    return Outage(**which, **fields)


def _crash(what: str, start: float, duration: float = 1.0) -> dict[str, Any]:
    return {"outages": (_outage(what, start=start, duration=duration),)}


def _counts(result: Result) -> dict[str, int]:
    """The accounts of the ledger that aren't empty."""
    return {name: count for name, count in dict(result.ledger).items() if count}


# Any combination

pauses = st.none() | st.sampled_from([Deterministic(2.0), Exponential(0.5)])
costs = st.sampled_from([0.0, 0.0, 0.1, 0.25])
restarts = st.sampled_from([0.0, 0.5, 3.0, Exponential(1.0)])


@st.composite
def crashes(draw: st.DrawFn, kinds: tuple[str, ...] = ("consumer", "broker", "power")) -> Outage:
    when = st.fixed_dictionaries(
        {"start": st.sampled_from([0.0, 1.0, 5.0]) | st.floats(0.0, 40.0)}
    ) | st.fixed_dictionaries({"every": st.sampled_from([50.0, 10.0, 3.4]).map(Exponential)})
    found = _outage(draw(st.sampled_from(kinds)), duration=draw(restarts), **draw(when))
    share = draw(st.sampled_from([0.01, 0.5, 1.0]))
    return found.model_copy(update={"share": share}) if found.of == "consumers" else found


@st.composite
def combinations(
    draw: st.DrawFn,
    *,
    kinds: tuple[str, ...] = ("consumer", "broker", "power"),
    **fixed: Any,
) -> PointToPoint:
    lingers = draw(st.booleans())
    capacity = draw(st.none() | st.integers(6 if lingers else 0, 10))
    polling = None if capacity == 0 else draw(pauses)
    options = {
        "interarrival": draw(st.sampled_from([Exponential(0.5), Deterministic(0.5)])),
        "service": draw(st.sampled_from([Exponential(1.0), Deterministic(0.5)])),
        "consumers": draw(st.integers(1, 3)),
        "capacity": capacity,
        "messages": draw(st.integers(1, 60)),
        "duration": draw(st.none() | st.floats(1.0, 60.0)),
        "queue": draw(st.sampled_from(KINDS)),
        "sync": draw(st.sampled_from(MODES)),
        "sync_acks": draw(st.booleans()),
        "sync_size": draw(st.sampled_from([1, 3, 1000])),
        "sync_time": draw(st.sampled_from([0.01, 1.0])),
        "put_cost": draw(costs),
        "get_cost": draw(costs),
        "ack_cost": draw(costs),
        "priorities": None if lingers else draw(st.sampled_from([None, (0.3, 0.7)])),
        "linger": Linger(size=draw(st.integers(1, 6)), time=0.5) if lingers else None,
        "polling": polling,
        "cold_start": None if polling else draw(pauses),
        "breakdowns": draw(st.none() | st.just(Breakdowns(rate=0.5, repair=Exponential(1.0)))),
        "batch_size": draw(st.integers(1, 4)),
        "outages": tuple(draw(st.lists(crashes(kinds=kinds), min_size=1, max_size=3))),
    }
    options |= fixed
    if any(each.every for each in options["outages"]) and options["duration"] is None:
        # Power cuts that undo acks, and consumers that are seldom up, can go on for days.
        options["duration"] = 300.0
    return PointToPoint(**options)


seeds = st.integers(0, 2**32)


def _assert_accounts_agree(result: Result) -> None:
    """The ledger, the table and the series say the same."""
    scenario, ledger, messages = result.scenario, result.ledger, result.messages
    assert isinstance(scenario, PointToPoint)
    assert ledger.published == sum(ledger[account] for account in ACCOUNTS) == len(messages)
    assert ledger.kept == ledger.published - ledger.dropped - ledger.lost
    outcomes = messages["outcome"].value_counts()
    accounts = {
        "acked": "acked",
        "waiting": "ready",
        "in service": "unacked",
        "dropped": "dropped",
        "lost": "lost",
        "dead-lettered": "dead_lettered",
        "expired": "expired",
    }
    assert {name: ledger[account] for name, account in accounts.items()} == outcomes.to_dict()
    assert ledger.redelivered == (messages["attempts"] - 1).clip(lower=0).sum()
    assert ledger.redone <= ledger.redelivered
    if scenario.duration is None or result.duration < scenario.duration:
        assert ledger.ready == ledger.unacked == 0
        assert ledger.duplicates <= ledger.redelivered + ledger.lost
    series = result.series
    assert (series >= 0).all(axis=None)
    assert (series["busy_consumers"] <= scenario.consumers).all()
    last = series.iloc[-1]
    assert last["queue_length"] == ledger.ready
    assert last["in_flight"] == ledger.unacked
    assert not result.summary()["utilisation"] > 1 + 1e-9


@given(combinations(), seeds)
@settings(max_examples=200)
def test_the_ledger_balances_whatever_crashes(scenario: PointToPoint, seed: int) -> None:
    result = scenario.run(seed)
    _assert_accounts_agree(result)
    if not scenario.ack_cost:  # A message leaves the system when it is finished.
        in_system = result.series["in_system"].iloc[-1]
        assert in_system == result.ledger.ready + result.ledger.unacked


@given(combinations(), seeds)
@settings(max_examples=50)
def test_the_same_seed_gives_the_same_bits(scenario: PointToPoint, seed: int) -> None:
    first, second = scenario.run(seed), scenario.run(seed)
    pd.testing.assert_frame_equal(first.messages, second.messages, check_exact=True)
    pd.testing.assert_frame_equal(first.series, second.series, check_exact=True)
    pd.testing.assert_series_equal(first.summary(), second.summary(), check_exact=True)
    assert first.ledger == second.ledger


@given(st.sampled_from(ON_DISK), st.data(), seeds)
@settings(max_examples=50)
def test_what_is_synced_before_a_put_returns_is_never_lost(
    queue: str, data: st.DataObject, seed: int
) -> None:
    scenario = data.draw(combinations(queue=queue, sync="always"))
    assert scenario.run(seed).ledger.lost == 0


@given(st.sampled_from(ON_DISK), st.data(), seeds)
@settings(max_examples=50)
def test_the_end_of_a_process_loses_nothing_that_is_in_files(
    queue: str, data: st.DataObject, seed: int
) -> None:
    scenario = data.draw(combinations(queue=queue, kinds=("consumer", "broker")))
    result = scenario.run(seed)
    assert result.ledger.lost == 0
    assert result.moves["revived"].tolist() == []


@given(st.sampled_from(ON_DISK), st.data(), seeds)
@settings(max_examples=50)
def test_a_power_cut_takes_at_most_what_the_batch_mode_says(
    queue: str, data: st.DataObject, seed: int
) -> None:
    scenario = data.draw(combinations(queue=queue, sync="batch", kinds=("power",)))
    cuts = sorted(each.start for each in scenario.outages if each.start is not None)
    once = tuple(each for each in scenario.outages if each.start is not None)
    scenario = scenario.replace(outages=once)
    result = scenario.run(seed)
    lost = result.messages[result.messages["outcome"] == "lost"]
    assert len(lost) <= len(cuts) * (scenario.sync_size - 1)
    stored = lost["enqueued"].to_numpy()
    window = [
        np.any([cut - scenario.sync_time <= instant <= cut for cut in cuts]) for instant in stored
    ]
    assert all(window)


@given(combinations(queue="memory", outages=(Outage(of="broker", start=7.0),)), seeds)
@settings(max_examples=50)
def test_memory_loses_all_that_it_holds(scenario: PointToPoint, seed: int) -> None:
    before = scenario.replace(outages=(), duration=7.0).run(seed, engine="simpy").ledger
    lost = scenario.run(seed).ledger.lost
    if scenario.duration is not None and scenario.duration <= 7.0:
        assert lost == 0
    else:
        assert before.ready <= lost  # What happens at the instant of the crash happens before it.


@given(combinations(outages=(), put_cost=0.1, get_cost=0.05, ack_cost=0.02), seeds)
@settings(max_examples=40)
def test_the_kind_of_queue_changes_nothing_but_costs_and_crashes(
    scenario: PointToPoint, seed: int
) -> None:
    memory = scenario.replace(queue="memory").run(seed)
    for queue in ON_DISK:
        other = scenario.replace(queue=queue).run(seed)
        pd.testing.assert_frame_equal(other.messages, memory.messages, check_exact=True)
        pd.testing.assert_frame_equal(other.series, memory.series, check_exact=True)
        assert other.ledger == memory.ledger


@given(combinations())
@settings(max_examples=50)
def test_a_scenario_survives_json(scenario: PointToPoint) -> None:
    assert PointToPoint.model_validate_json(scenario.model_dump_json()) == scenario


# Worked out by hand


def test_what_a_crashed_consumer_was_at_starts_again() -> None:
    result = _run([0.0, 1.0], service=Deterministic(4.0), **_crash("consumer", 3.0, 7.0))
    messages = result.messages
    assert messages["started"].tolist() == [10.0, 14.0]
    assert messages["finished"].tolist() == [14.0, 18.0]
    assert messages["attempts"].tolist() == [2, 1]
    assert _counts(result) == {"published": 2, "acked": 2, "duplicates": 1, "redelivered": 1}
    busy = result.series["busy_consumers"]
    assert busy[:17.0].to_dict() == {0.0: 1, 1.0: 1, 3.0: 0, 10.0: 1, 14.0: 1}


def test_another_consumer_goes_on_where_one_has_crashed() -> None:
    result = _run(
        [0.0, 0.0], service=Deterministic(4.0), consumers=2, **_crash("consumer", 3.0, 100.0)
    )
    assert result.messages["finished"].sort_values().tolist() == [4.0, 8.0]


def test_an_idle_consumer_that_has_crashed_takes_nothing_until_it_is_up() -> None:
    result = _run([5.0], **_crash("consumer", 3.0, 7.0))
    assert result.messages["started"].tolist() == [10.0]
    assert _counts(result) == {"published": 1, "acked": 1}


@each_on_disk
def test_work_is_finished_in_vain_while_the_broker_comes_back(queue: str) -> None:
    result = _run([0.0, 1.0, 5.0], service=Deterministic(4.0), queue=queue, **_crash("broker", 2.0))
    messages = result.messages
    assert messages["started"].tolist() == [4.0, 8.0, 12.0]
    assert messages["finished"].tolist() == [8.0, 12.0, 16.0]
    assert _counts(result) == {
        "published": 3, "acked": 3, "duplicates": 1, "redelivered": 1, "redone": 1,
    }  # fmt: skip
    expected = {0.0: 0, 1.0: 1, 2.0: 2, 4.0: 1, 5.0: 2, 8.0: 1, 12.0: 0, 16.0: 0}
    assert result.series["queue_length"].to_dict() == expected
    assert result.series["in_flight"][2.0] == 0
    assert result.series["busy_consumers"][2.0] == 1


def test_an_ack_under_way_when_the_broker_crashes_is_refused() -> None:
    result = _run([0.0], ack_cost=1.0, **_crash("broker", 1.5))
    assert result.messages["finished"].tolist() == [3.5]
    assert result.messages["acked"].tolist() == [4.5]
    assert (result.ledger.redelivered, result.ledger.redone) == (1, 1)


def test_a_get_under_way_when_the_broker_crashes_brings_nothing() -> None:
    result = _run([0.0], get_cost=1.0, **_crash("broker", 0.5, 4.0))
    assert result.messages["delivered"].tolist() == [4.5]
    assert result.messages["started"].tolist() == [5.5]
    assert (result.ledger.redelivered, result.ledger.redone) == (1, 0)


def test_messages_that_were_taken_together_are_worked_on_by_one_consumer_in_vain() -> None:
    result = _run(
        [0.0, 0.5, 0.5], batch_size=2, service=Deterministic(2.0), **_crash("broker", 3.0, 0.5)
    )
    assert result.messages["finished"].tolist() == [2.0, 6.0, 6.0]
    assert result.ledger.redone == 2
    assert result.series["busy_consumers"].max() == 1
    assert result.summary()["utilisation"] == 1.0


@pytest.mark.parametrize(
    ("put_cost", "enqueued"), [(0.0, [1.75, 5.0, 5.0]), (0.5, [5.5, 6.0, 6.5])]
)
def test_a_producer_holds_its_messages_while_the_broker_is_down(
    put_cost: float, enqueued: list[float]
) -> None:
    # With a put that takes 0.5 s the first one is under way when the broker crashes.
    result = _run([1.75, 3.0, 4.0], put_cost=put_cost, **_crash("broker", 2.0, 3.0))
    assert result.messages["enqueued"].tolist() == enqueued
    assert result.ledger.lost == 0


def test_a_batch_is_put_again_after_a_crash() -> None:
    linger = Linger(size=2, time=10.0)
    result = _run([1.0, 1.5], linger=linger, put_cost=1.0, **_crash("power", 2.0, 3.0))
    assert result.messages["enqueued"].tolist() == [6.0, 6.0]
    assert _counts(result) == {"published": 2, "acked": 2}


@each_on_disk
def test_a_power_cut_takes_what_the_batch_mode_has_not_synced(queue: str) -> None:
    result = _run(
        [1.0, 2.5, 6.0], service=Deterministic(9.0), queue=queue, sync="batch", sync_time=1.0,
        **_crash("power", 3.0),
    )  # fmt: skip
    assert result.messages["outcome"].tolist() == ["acked", "lost", "acked"]
    assert result.messages["started"].tolist()[::2] == [10.0, 19.0]
    # The first message's work was done twice.
    assert _counts(result) == {
        "published": 3, "acked": 2, "lost": 1, "duplicates": 1, "redelivered": 1, "redone": 1,
    }  # fmt: skip
    assert result.series["in_system"].to_dict() == {
        0.0: 0, 1.0: 1, 2.5: 2, 3.0: 1, 6.0: 2, 10.0: 2, 19.0: 1, 28.0: 0,
    }  # fmt: skip


@each_on_disk
def test_an_ack_that_a_power_cut_takes_means_that_the_work_is_done_again(queue: str) -> None:
    options: dict[str, Any] = {"queue": queue, **_crash("power", 3.0)}
    result = _run([1.0, 20.0], **options)
    assert result.messages["started"].tolist() == [4.0, 20.0]
    assert _counts(result) == {
        "published": 2, "acked": 2, "duplicates": 1, "redelivered": 1, "redone": 1,
    }  # fmt: skip
    assert result.series["in_system"].to_dict() == {
        0.0: 0, 1.0: 1, 2.0: 0, 3.0: 1, 4.0: 1, 5.0: 0, 20.0: 1, 21.0: 0,
    }  # fmt: skip
    synced = _run([1.0, 20.0], sync_acks=True, **options)
    assert synced.messages["started"].tolist() == [1.0, 20.0]
    assert _counts(synced) == {"published": 2, "acked": 2}


def test_work_that_a_cut_off_run_has_not_finished_again_is_not_done_again() -> None:
    result = _run([1.0, 20.0], duration=4.5, **_crash("power", 3.0))
    assert result.messages["outcome"].tolist() == ["in service"]
    assert (result.ledger.redelivered, result.ledger.redone) == (1, 0)


@each_on_disk
def test_an_ack_of_a_lost_message_is_none_of_the_next_with_its_number(queue: str) -> None:
    result = _run(
        [1.0, 2.0, 6.0], service=Deterministic(10.0), consumers=3, queue=queue, sync="never",
        **_crash("power", 3.0),
    )  # fmt: skip
    assert result.messages["outcome"].tolist() == ["lost", "lost", "acked"]
    assert result.messages["finished"].tolist()[2] == 16.0
    assert _counts(result) == {"published": 3, "acked": 1, "lost": 2}


def test_what_is_in_memory_is_gone_and_what_comes_later_is_not() -> None:
    result = _run([0.0, 0.0, 2.5], queue="memory", **_crash("broker", 0.5, 1.0))
    assert result.messages["outcome"].tolist() == ["lost", "lost", "acked"]
    assert result.series["in_flight"][0.5] == 0
    assert result.series["queue_length"][0.5] == 0


def test_a_crash_after_the_end_does_not_happen() -> None:
    options: dict[str, Any] = {"messages": 20, "queue": "file", **FREE}
    plain = PointToPoint(**options, outages=(Outage(of="consumers", start=1e6),)).run(1)
    for what in ("broker", "power", "consumer"):
        late = _crash(what, plain.duration + 1e-9)
        result = PointToPoint(**options, **late).run(1)
        assert result.duration == plain.duration
        assert _counts(result) == {"published": 20, "acked": 20}


def test_a_crash_of_a_broker_that_is_down_changes_nothing() -> None:
    first = Outage(of="broker", start=2.0, duration=3.0)
    once = _run([1.0, 3.0], outages=(first,))
    twice = _run(
        [1.0, 3.0], outages=(first, Outage(of="broker", start=4.0, duration=50.0, kind="power"))
    )
    pd.testing.assert_frame_equal(once.messages, twice.messages)


def test_a_consumer_that_polls_waits_for_what_may_come_back() -> None:
    result = _run([0.5], polling=Deterministic(1.0), consumers=2, **_crash("broker", 1.5, 4.0))
    assert result.messages["outcome"].tolist() == ["acked"]
    assert result.messages["started"].tolist() == [6.0]


def test_crashes_at_a_rate_come_as_often_as_they_say() -> None:
    scenario = PointToPoint(
        interarrival=Exponential(1.0), service=Deterministic(0.0), queue="memory",
        duration=20_000.0, outages=(Outage(of="broker", every=Exponential(10), duration=10.0),),
    )  # fmt: skip
    result = scenario.run(1, engine="simpy")
    # While the broker is down the producer holds its messages, and they are stored all at once
    # when it is up again. Up and down are 10 s each on average, so a restart comes every 20 s:
    # 1000 with a standard deviation of 1000 ** 0.5 / 2, since only the time up is by chance.
    held = result.messages["enqueued"] > result.messages["created"]
    restarts = result.messages["enqueued"][held].nunique()
    assert abs(restarts - 1000) < 4 * 1000**0.5 / 2 + 4


def test_crashes_leave_arrivals_and_work_as_they_are() -> None:
    plain = PointToPoint(messages=300).run(3, engine="simpy").messages
    crash = Outage(of="consumers", every=Exponential(20), duration=Exponential(1.0))
    other = PointToPoint(messages=300, outages=(crash,)).run(3).messages
    assert other["created"].equals(plain["created"])
    np.testing.assert_allclose(
        other["finished"] - other["started"], plain["finished"] - plain["started"], atol=1e-9
    )


# Where it happens


def _fails(*_: Any, **__: Any) -> Any:
    raise OSError("the disk is gone")


def _is_interrupted(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    monkeypatch.setattr(directory, "_fast_place", lambda: tmp_path)
    return tmp_path


def test_the_queue_is_on_the_disk_while_a_run_lasts_and_gone_afterwards(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    publish = SimQueue.publish_many

    def looking(self: SimQueue, *numbers: Any) -> bool:
        seen.append([path for path in place.rglob("*") if path.is_file()])
        return publish(self, *numbers)

    monkeypatch.setattr(SimQueue, "publish_many", looking)
    for queue in ON_DISK:
        seen.clear()
        _run([1.0, 2.0], queue=queue)
        assert all(seen)
        assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("failure", "error"), [(_fails, OSError), (_is_interrupted, KeyboardInterrupt)]
)
@pytest.mark.parametrize("method", ["put_many", "ack_many", "ids", "flush"])
def test_a_run_that_fails_leaves_nothing_behind(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    failure: Any,
    error: type[BaseException],
) -> None:
    monkeypatch.setattr(FileQueue, method, failure)
    with pytest.raises(error):
        _run([1.0, 3.5], sync="batch", **_crash("broker", 3.0))
    assert list(place.iterdir()) == []


def test_a_message_that_is_not_what_was_put_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    get = FileQueue.get

    def swapped(self: FileQueue, *arguments: Any) -> Any:
        return get(self, *arguments)._replace(body=b"another")

    monkeypatch.setattr(FileQueue, "get", swapped)
    with pytest.raises(RuntimeError, match=r"body=b'another'.* was delivered, and .* had been put"):
        _run([1.0])


# What it costs


@each_on_disk
@pytest.mark.parametrize("sync", MODES)
@pytest.mark.parametrize("sync_acks", [False, True])
def test_operations_on_the_disk_cost_what_the_profile_says(
    queue: Any, sync: Any, sync_acks: bool
) -> None:
    scenario = PointToPoint(
        interarrival=Deterministic(10.0), service=Deterministic(1.0), messages=1,
        queue=queue, sync=sync, sync_acks=sync_acks,
    )  # fmt: skip
    message = scenario.run().messages.iloc[0]
    ack = "synced ack" if sync_acks else "ack"
    put, get, ack_time = (
        CostProfile.shipped().timing(queue, sync, operation)(1) for operation in ("put", "get", ack)
    )
    assert message["enqueued"] == 10.0 + put
    assert message["started"] == 10.0 + put + get
    assert message["acked"] == 10.0 + put + get + 1.0 + ack_time
    given = scenario.replace(put_cost=0.5, get_cost=0.25, ack_cost=0.0).run().messages.iloc[0]
    assert given["enqueued"] == 10.5
    assert given["finished"] == 11.75


def test_a_batch_costs_what_a_batch_of_its_size_costs() -> None:
    options: dict[str, Any] = {
        "interarrival": Trace([1.0] * 100), "service": Deterministic(1.0), "queue": "file",
    }  # fmt: skip
    timing = CostProfile.shipped().timing("file", "always", "put")
    linger = Linger(size=100, time=1.0)
    result = PointToPoint(**options, linger=linger).run()
    assert result.messages["enqueued"].tolist() == [1.0 + timing(100)] * 100
    alone = PointToPoint(**options).run()
    assert alone.messages["enqueued"].iloc[-1] == pytest.approx(1.0 + 100 * timing(1))


def test_operations_in_memory_cost_nothing_unless_somebody_says_so() -> None:
    assert PointToPoint(messages=10).run().engine == "vector"
    assert PointToPoint(messages=10, sync="never", sync_acks=True).run().engine == "vector"
    messages = PointToPoint(interarrival=Trace([1.0]), get_cost=1.0).run().messages
    assert messages["started"].tolist() == [2.0]


def test_only_simpy_puts_messages_into_a_queue() -> None:
    with pytest.raises(ValueError, match="puts nothing into a queue, and queue is 'file'"):
        PointToPoint(messages=10, queue="file", **FREE).run(engine="vector")
    with pytest.raises(ValueError, match="no recursion has outages"):
        PointToPoint(messages=10, **_crash("broker", 1.0)).run(engine="vector")


def test_a_formula_knows_no_crash_and_no_cost() -> None:
    assert PointToPoint(messages=10, queue="file", **FREE).forecast().model != "none"
    assert PointToPoint(messages=10, queue="file").forecast().why.startswith("put_cost is set")
    crashing = PointToPoint(messages=10, **_crash("broker", 1.0))
    assert crashing.forecast().why.startswith("outages is set")


def test_a_profile_must_say_what_the_run_needs() -> None:
    shipped = CostProfile.shipped()
    costs = tuple(cost for cost in shipped.costs if (cost.queue, cost.sync) == ("file", "always"))
    profile = CostProfile(costs=costs)
    PointToPoint(messages=10, queue="file", costs=profile).run()
    with pytest.raises(ParameterError, match="no row for queue='file', sync='never'"):
        PointToPoint(messages=10, queue="file", sync="never", costs=profile)
    PointToPoint(messages=10, queue="file", sync="never", costs=profile, **FREE)


# What is refused


@pytest.mark.parametrize(
    ("outage", "complaint"),
    [
        (
            Outage(of="network", start=1),
            r"outages\[0\] is a crash of the network, and here there are: consumers: crash, hang, "
            "slow; broker: crash, power; publisher: hang",
        ),
        (Outage(of="publisher", start=1), "a crash of the publisher"),
        (Outage(of="broker", start=1, kind="hang"), "a hang of the broker"),
        (
            Outage(of="consumers", every=9, kind="hang"),
            "again and again, and a hang of the consumers .* give start in place of every",
        ),
    ],
)
def test_an_outage_that_is_not_known_here_is_refused(outage: Outage, complaint: str) -> None:
    with pytest.raises(ParameterError, match=complaint):
        PointToPoint(messages=10, outages=(outage,))


def test_who_writes_the_old_word_is_told_the_new_one() -> None:
    with pytest.raises(ParameterError, match=r"crashes.* write outages=\(Outage\("):
        PointToPoint(messages=10, crashes=())


def test_crashes_that_let_nothing_be_done_need_a_cut_off() -> None:
    crash = Outage(of="consumers", every=Exponential(2))
    with pytest.raises(ParameterError, match=r"outages\[0\].every=.* 2 s .* a duration"):
        PointToPoint(messages=10, service=Exponential(2.0), outages=(crash,))
    PointToPoint(messages=10, service=Exponential(2.0), outages=(crash,), duration=50.0)
