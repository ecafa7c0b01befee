"""Pipeline: what becomes of messages in a line of stations, and the figures of each station."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import Deterministic, Exponential, Replay, Trace
from simlib.analysis import Result
from simlib.scenarios import Pipeline, PointToPoint, Station
from simlib.values import ParameterError

ENGINES = pytest.mark.parametrize("engine", ["simpy", "vector"])


def _columns(result: Result, name: str) -> list[list[float]]:
    """A column of each station, message by message."""
    count = len(result.scenario.stations)
    return [result.messages[f"{name}_{number}"].tolist() for number in range(1, count + 1)]


def _line(*stations: dict[str, Any], **fields: Any) -> Pipeline:
    return Pipeline(stations=[Station(**station) for station in stations], **fields)


# Small lines, worked out by hand


@ENGINES
def test_messages_pass_from_station_to_station(engine: Any) -> None:
    line = _line(
        {"service": Replay([1.0, 3.0])}, {"service": Replay([4.0, 1.0])},
        interarrival=Trace([0.5, 1.0]),
    )  # fmt: skip
    result = line.run(engine=engine)
    assert _columns(result, "enqueued") == [[0.5, 1.0], [1.5, 4.5]]
    assert _columns(result, "started") == [[0.5, 1.5], [1.5, 5.5]]
    assert _columns(result, "finished") == _columns(result, "left") == [[1.5, 4.5], [5.5, 6.5]]
    messages = result.messages
    assert messages["enqueued"].tolist() == messages["enqueued_1"].tolist()
    assert messages["started"].tolist() == messages["started_1"].tolist()
    assert messages["finished"].tolist() == messages["finished_2"].tolist()
    assert messages["latency"].tolist() == [5.0, 5.5]
    assert result.ledger["acked"] == 2


@ENGINES
def test_a_blocked_consumer_keeps_its_message_and_starts_no_other(engine: Any) -> None:
    line = _line(
        {"service": Deterministic(1.0)}, {"service": Deterministic(3.0), "capacity": 1},
        interarrival=Deterministic(0.0), messages=4,
    )  # fmt: skip
    result = line.run(engine=engine)
    # The third message is done at 3, and there is room for it when the second starts at 4.
    assert _columns(result, "finished")[0] == [1.0, 2.0, 3.0, 5.0]
    assert _columns(result, "left")[0] == [1.0, 2.0, 4.0, 7.0]
    assert _columns(result, "started") == [[0.0, 1.0, 2.0, 4.0], [1.0, 4.0, 7.0, 10.0]]
    summary = result.summary()
    assert result.duration == 13.0
    assert summary["utilisation_1"] == pytest.approx(4 / 13)
    assert summary["blocked_1"] == pytest.approx(3 / 13)
    assert summary["utilisation_2"] == pytest.approx(12 / 13)
    assert summary["blocked_2"] == 0.0
    assert summary["queue_mean_1"] == pytest.approx((1 + 2 + 4) / 13)
    assert summary["queue_mean_2"] == pytest.approx((2 + 3 + 3) / 13)
    assert summary["throughput"] == pytest.approx(4 / 13)


@ENGINES
def test_without_any_room_between_stations_messages_pass_from_hand_to_hand(engine: Any) -> None:
    line = _line(
        {"service": Deterministic(1.0)}, {"service": Deterministic(2.0), "capacity": 0},
        interarrival=Deterministic(0.0), messages=3,
    )  # fmt: skip
    result = line.run(engine=engine)
    assert _columns(result, "left")[0] == [1.0, 3.0, 5.0]
    assert _columns(result, "started")[1] == [1.0, 3.0, 5.0]
    assert result.summary()["queue_mean_2"] == 0.0


@ENGINES
def test_the_producer_waits_for_the_first_station_and_messages_stay_due_when_they_were(
    engine: Any,
) -> None:
    line = _line(
        {"service": Deterministic(4.0), "capacity": 1}, interarrival=Deterministic(1.0), messages=4
    )
    result = line.run(engine=engine)
    assert result.messages["created"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert result.messages["enqueued"].tolist() == [1.0, 2.0, 5.0, 9.0]
    assert result.messages["latency"].tolist() == [4.0, 7.0, 10.0, 13.0]


@ENGINES
@pytest.mark.parametrize("place", [0, 1])
def test_what_a_full_station_rejects_is_dropped(engine: Any, place: int) -> None:
    stations: list[dict[str, Any]] = [{"service": Deterministic(0.0)}] * 2
    stations[place] = {"service": Deterministic(10.0), "capacity": 1, "overflow": "reject"}
    line = _line(*stations, interarrival=Deterministic(1.0), messages=4)
    result = line.run(engine=engine)
    assert result.messages["outcome"].tolist() == ["acked", "acked", "dropped", "dropped"]
    assert result.messages["enqueued"].isna().tolist() == [False] * 2 + [place == 0] * 2
    assert dict(result.ledger)["dropped"] == 2
    # Those that are refused at the second station were in the system for no time.
    assert result.summary()["in_system_mean"] == pytest.approx((10 + 19) / 21)
    assert result.series["in_system"].iloc[-1] == 0


def test_several_consumers_that_are_blocked_go_on_in_the_order_in_which_they_were() -> None:
    line = _line(
        {"service": Replay([3.0, 1.0, 2.0]), "consumers": 3},
        {"service": Deterministic(5.0), "capacity": 0},
        interarrival=Deterministic(0.0),
        messages=3,
    )
    result = line.run()
    assert result.engine == "simpy"
    assert _columns(result, "left")[0] == [11.0, 1.0, 6.0]
    assert result.summary()["blocked_1"] == pytest.approx((8 + 0 + 4) / 16 / 3)


@ENGINES
def test_a_cut_off_finds_messages_in_every_place(engine: Any) -> None:
    line = _line(
        {"service": Deterministic(1.0)}, {"service": Deterministic(3.0), "capacity": 1},
        interarrival=Trace([0.0] * 5 + [9.0]), duration=5.5,
    )  # fmt: skip
    result = line.run(engine=engine)
    # Done; at work; waiting; blocked since 5; waiting at the first station; not yet due.
    expected = ["acked", "in service", "waiting", "in service", "waiting"]
    assert result.messages["outcome"].tolist() == expected
    assert _columns(result, "finished")[0][:4] == [1.0, 2.0, 3.0, 5.0]
    assert _columns(result, "left")[0][:3] == [1.0, 2.0, 4.0]
    ledger = dict(result.ledger)
    assert (ledger["acked"], ledger["unacked"], ledger["ready"]) == (1, 2, 2)
    assert result.summary().name == "unfinished"
    assert result.duration == 5.5


# What holds for any line

work = st.sampled_from([0.0, 0.5, 1.0, 2.0]) | st.floats(0.0, 3.0)


@st.composite
def _lines(draw: st.DrawFn) -> Pipeline:
    count = draw(st.integers(1, 40))
    stations = [
        Station(
            service=Replay(draw(st.lists(work, min_size=count, max_size=count))),
            consumers=draw(st.integers(1, 3)),
            capacity=draw(st.none() | st.integers(0, 3)),
            overflow=draw(st.sampled_from(["block", "reject"])),
        )
        for _ in range(draw(st.integers(1, 3)))
    ]
    gaps = draw(st.lists(work, min_size=count, max_size=count))
    return Pipeline(
        interarrival=Replay(gaps),
        stations=stations,
        duration=draw(st.none() | st.floats(0.5, 30.0)),
        warmup=draw(st.integers(0, count - 1)),
    )


def _most(entered: pd.Series, left: pd.Series) -> int:
    """The most messages that were between two instants at once."""
    times = np.unique(np.concatenate([entered.dropna(), left.dropna()]))
    counts = [np.searchsorted(np.sort(x.dropna()), times, side="right") for x in (entered, left)]
    return int((counts[0] - counts[1]).max(initial=0))


@given(_lines())
@settings(max_examples=200)
def test_no_station_holds_more_than_it_has_room_for_and_no_message_is_lost(line: Pipeline) -> None:
    result = line.run()
    messages, ledger = result.messages, result.ledger
    accounts = {"waiting": "ready", "in service": "unacked", "acked": "acked", "dropped": "dropped"}
    outcomes = messages["outcome"].value_counts()
    assert {name: outcomes[name] for name in accounts} == {
        name: ledger[account] for name, account in accounts.items()
    }
    before = messages["created"]
    for number, station in enumerate(line.stations, 1):
        enqueued, started, finished, left = (
            messages[f"{name}_{number}"] for name in ("enqueued", "started", "finished", "left")
        )
        for earlier, later in [
            (before, enqueued), (enqueued, started), (started, finished), (finished, left),
        ]:  # fmt: skip
            assert (later[later.notna()] >= earlier[later.notna()]).all()
        if number > 1:
            both = enqueued.notna()
            assert enqueued[both].tolist() == before[both].tolist()
        assert _most(started, left) <= station.consumers
        if station.capacity is not None:
            assert _most(enqueued, started) <= station.capacity
        before = left
    last = messages[f"left_{len(line.stations)}"]
    assert last.equals(messages[f"finished_{len(line.stations)}"].rename(last.name))
    series = result.series.iloc[-1]
    if line.duration is None or result.duration == line.duration:
        assert series["in_system"] == ledger["ready"] + ledger["unacked"]
        assert series["queue_length"] == ledger["ready"]
        assert series["in_flight"] == ledger["unacked"]


@given(_lines())
@settings(max_examples=50)
def test_figures_of_the_stations_add_up_to_those_of_the_line(line: Pipeline) -> None:
    summary = line.run().summary()
    numbers = range(1, len(line.stations) + 1)
    assert sum(summary[f"queue_mean_{number}"] for number in numbers) == pytest.approx(
        summary["queue_mean"], rel=1e-9, abs=1e-9, nan_ok=True
    )
    busy = sum(
        summary[f"utilisation_{number}"] * station.consumers
        for number, station in enumerate(line.stations, 1)
    )
    assert busy / line.servers == pytest.approx(
        summary["utilisation"], rel=1e-9, abs=1e-9, nan_ok=True
    )


def test_one_station_alone_is_a_queue() -> None:
    service = Exponential(1.0)
    line = _line({"consumers": 2, "service": service}, messages=500)
    queue = PointToPoint(consumers=2, service=service, messages=500)
    # Their works are different draws, so only the arrivals are the same.
    one, other = line.run(3), queue.run(3)
    assert one.messages["created"].tolist() == other.messages["created"].tolist()
    assert set(other.summary().index) < set(one.summary().index)


def test_a_station_more_leaves_the_work_at_the_others_as_it_was() -> None:
    short = _line({}, {}, messages=200).run(4).messages
    long = _line({}, {}, {"service": Exponential(0.5)}, messages=200).run(4).messages
    for name in ("started_1", "finished_1", "started_2", "finished_2"):
        assert long[name].tolist() == short[name].tolist()
    assert not np.allclose(short["finished_1"] - short["started_1"],
                           short["finished_2"] - short["started_2"])  # fmt: skip


def test_a_line_is_a_value_that_survives_json() -> None:
    line = _line({"capacity": 2}, {"overflow": "reject", "capacity": 0}, messages=10)
    again = Pipeline.model_validate_json(line.model_dump_json())
    assert again == line
    assert hash(again) == hash(line)
    assert again.run(1).messages.equals(line.run(1).messages)


def test_the_load_is_that_of_the_slowest_station() -> None:
    line = _line(
        {"service": Exponential(1.0), "consumers": 4}, {"service": Exponential(0.5)},
        interarrival=Exponential(1.0), messages=10,
    )  # fmt: skip
    assert line.load == pytest.approx(0.5)
    assert line.servers == 5
    assert line.replace(load=0.8).interarrival == Exponential(0.625)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"stations": ()}, ["stations", "at least 1"]),
        ({"stations": [{"consumers": 0}]}, ["stations[0].consumers", ">= 1"]),
        ({"stations": [{"capacity": -1}]}, ["stations[0].capacity", ">= 0"]),
        ({"stations": [{"overflow": "wait"}]}, ["stations[0].overflow", "'block' or 'reject'"]),
        (
            {"stations": [Station(), Station(service=Replay([1.0] * 8))]},
            ["stations[1].service", "Replay(8 values", "up to 9"],
        ),
    ],
)
def test_a_bad_line_is_refused_by_name_and_what_is_allowed(
    fields: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ParameterError) as caught:
        Pipeline(messages=9, **fields)
    for word in words:
        assert word in str(caught.value)


def test_every_parameter_says_what_it_is() -> None:
    for field in (*Pipeline.parameters().values(), *Station.model_fields.values()):
        assert field.description
