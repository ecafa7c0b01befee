"""The tutorial's flaws cost what the record says, on whatever server answers."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from simlib.live.pika_words import pika_exceptions
from simlib.live.rabbit import Link, Outcome, tutorial
from simlib.live.rabbit.connection import close
from simlib.live.rabbit.flaws import TRIALS
from simlib.live.rabbit.rates import BASE, Rate, measure
from simlib.live.rabbit.record import Trials, main, read_rates, read_spans, record

from .conftest import Place, until

DATA = Path(__file__).parents[3] / "data"
CLOSED = "amqp://guest:guest@127.0.0.1:1/%2F"

RECORDED = Trials(DATA, CLOSED).recorded


@pytest.mark.parametrize("name", [name for name, each in TRIALS.items() if each.needs == "server"])
def test_on_a_server_it_is_as_recorded(url: str, name: str) -> None:
    assert Trials(DATA, url).tried(name) == RECORDED[name]


def test_a_debugger_is_open_to_everybody_as_recorded(
    missing: Callable[[str, str], NoReturn],
) -> None:
    if importlib.util.find_spec("flask") is None:
        missing("flask", 'pip install "simlib[live]"')
    assert Trials(DATA, CLOSED).tried("debug") == RECORDED["debug"]


def test_without_a_server_it_is_the_record_and_says_so() -> None:
    trials = Trials(DATA, CLOSED)
    assert "no RabbitMQ answers at 127.0.0.1:1" in trials.says
    assert "docker run" in " ".join(trials.says.split())
    assert trials.says.endswith("Until then all below is what was recorded.")
    for name, trial in TRIALS.items():
        if trial.needs != "nothing":
            assert trials.tried(name) == RECORDED[name]
    with pytest.raises(ValueError, match=r"a trial is one of old argument, .*got 'luck'"):
        trials.tried("luck")


def test_the_record_is_complete_and_right_loses_nothing() -> None:
    assert list(RECORDED) == list(TRIALS)
    for name, findings in RECORDED.items():
        assert len(findings) == 2, name
        wrong, right = findings
        assert right.way == "right"
        assert (right.lost, right.doubled) == (0, 0)
        harm = wrong.lost or wrong.doubled or wrong.said
        assert harm, name


def test_the_record_of_rates_and_spans_is_read() -> None:
    rates = {each.way: each for each in read_rates(DATA)}
    assert 0.5 < rates[BASE].ratio < 2  # with itself
    assert all(0 < each.low <= each.ratio <= each.high for each in rates.values())
    assert {each.what for each in rates.values()} == {"publish", "consume"}
    spans = read_spans(DATA)
    assert {each.service for each in spans} == {"publisher", "RabbitMQ", "consumer"}
    assert any(each.error for each in spans)


def test_a_missing_record_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"python -m simlib\.live\.rabbit\.record"):
        Trials(tmp_path, CLOSED)


def test_who_records_without_a_server_is_told_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMQP_URL", CLOSED)
    monkeypatch.setattr("sys.argv", ["record", str(tmp_path)])
    monkeypatch.setattr("simlib.live.rabbit.record.TRIALS", {"no name": TRIALS["no name"]})
    with pytest.raises(SystemExit, match=r"error: no RabbitMQ answers at 127\.0\.0\.1:1"):
        main()
    assert not list(tmp_path.iterdir())


def test_what_is_recorded_is_read_back(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = {name: TRIALS[name] for name in ("no name", "no queue")}
    monkeypatch.setattr("simlib.live.rabbit.record.TRIALS", chosen)
    rates = [Rate("publish", BASE, 100.0, 1.0, 0.5, 2.0)]
    monkeypatch.setattr("simlib.live.rabbit.record.measure", lambda *_, **__: rates)
    record(tmp_path, url)
    assert Trials(tmp_path, CLOSED).recorded == {name: RECORDED[name] for name in chosen}
    assert read_rates(tmp_path) == rates
    assert sum(each.name == "work" for each in read_spans(tmp_path)) == 5
    facts = (tmp_path / "rabbitmq_rates.csv").read_text(encoding="utf-8").partition("\nwhat,")[0]
    for fact in ("# CPU: ", "# RabbitMQ: ", "# pika: ", "# Date: ", "# Rounds: 11"):
        assert fact in facts


def test_each_way_is_measured_once_in_each_round(url: str) -> None:
    found = measure(url, rounds=1, seconds=0.02)
    assert [(each.what, each.way) for each in found] == [
        (each.what, each.way) for each in read_rates(DATA)
    ]
    assert all(each.per_second > 0 for each in found)
    for arguments in ({"rounds": 0}, {"seconds": 0}):
        with pytest.raises(ValueError, match="rounds must be >= 1 and seconds > 0"):
            measure(url, **arguments)  # type: ignore[arg-type]


def test_the_mended_lines_bear_what_the_flaws_do_not(url: str, place: Place) -> None:
    """Persistent, confirmed, mandatory; acked after the work, with a prefetch."""
    connection = Link(url=url).connect()
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=10)
    for number in range(20):
        tutorial.mended_send(channel, place.queue.name, b"%d" % number)
    done: list[bytes] = []

    def work(body: bytes) -> None:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(body)

    with pytest.raises(KeyboardInterrupt):
        tutorial.mended_receive(channel, place.queue.name, work)
    close(connection)
    until(lambda: place.ready() == 17, "what was not acked is back")
    assert {properties.delivery_mode for properties, _ in place.taken()} == {2}
    with pytest.raises(pika_exceptions().UnroutableError):
        tutorial.mended_send(_confirming(place), "nobody's", b"")


def _confirming(place: Place) -> Any:
    place.channel.confirm_delivery()
    return place.channel


def test_statements_are_counted_without_words_and_imports() -> None:
    assert tutorial.statements([tutorial.declare_exchange]) == 2
    assert tutorial.statements([tutorial.open_channel]) == 5
    assert tutorial.statements([Outcome]) == 6
