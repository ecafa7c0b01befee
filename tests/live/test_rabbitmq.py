"""What a learner reads who has no RabbitMQ; what it does with one, tests/broker holds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

from simlib.live import RabbitMQ


def test_without_a_server_the_error_says_how_to_get_one() -> None:
    with pytest.raises(
        ConnectionError, match=r"no RabbitMQ answers at 127\.0\.0\.1:1 .*docker run"
    ):
        RabbitMQ("amqp://guest:guest@127.0.0.1:1/%2F")


def test_without_pika_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pika", None)
    with pytest.raises(ImportError, match=r"pip install 'simlib\[live\]'"):
        RabbitMQ()


@pytest.fixture
def live(missing: Callable[[str, str], NoReturn]) -> Iterator[RabbitMQ]:
    try:
        broker = RabbitMQ()
    except ConnectionError as error:
        missing("RabbitMQ", str(error))
    with broker:
        yield broker
        broker.delete_declared()


@pytest.mark.parametrize(
    ("headers", "error", "text"),
    [
        ({"a": 1.5}, TypeError, "pika can't send a header with a fraction, got a=1.5"),
        ({"a": [{"b": 1e3}]}, TypeError, "got b=1000.0; send it as text"),
        ({"a": 2**63}, ValueError, "at most 64 bits, got a=9223372036854775808"),
        ({"a": -(2**63) - 1}, ValueError, "at most 64 bits"),
        ({"a": {"é" * 128: 1}}, ValueError, "at most 255 bytes, got 256"),
    ],
)
def test_what_pika_cannot_send_is_named(
    live: RabbitMQ, headers: dict[str, Any], error: type[Exception], text: str
) -> None:
    queue = live.declare_queue(exclusive=True)
    with pytest.raises(error, match=text):
        live.publish("", queue, b"", headers=headers)
    with pytest.raises(error, match=text):
        live.bind(queue, "amq.headers", "", headers)
    live.publish("", queue, b"", headers={"a": (2**63 - 1, -(2**63), {"b": "1.5"})})
    assert live.get(queue).headers == {"a": [2**63 - 1, -(2**63), {"b": "1.5"}]}


def test_a_name_too_long_for_amqp_is_refused_wherever_it_is_given(live: RabbitMQ) -> None:
    long, queue, channel = "n" * 256, live.declare_queue(exclusive=True), live.channel()
    calls = [
        lambda: live.declare_queue(long),
        lambda: live.delete_queue(long),
        lambda: live.purge(long),
        lambda: live.message_count(long),
        lambda: live.get(long),
        lambda: live.publish(long, "", b""),
        lambda: live.declare_exchange(long),
        lambda: live.declare_exchange("x", alternate_exchange=long),
        lambda: live.delete_exchange(long),
        lambda: live.bind(queue, "amq.direct", long),
        lambda: live.bind(queue, long),
        lambda: live.bind(long, "amq.direct"),
        lambda: live.unbind(queue, "amq.direct", long),
        lambda: live.bind_exchange(long, "amq.direct"),
        lambda: live.unbind_exchange("amq.direct", long),
        lambda: channel.consume(long, print),
        lambda: channel.consume(queue, print, consumer_tag=long),
        lambda: channel.cancel(long),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="at most 255 bytes, got 256"):
            call()
    assert not channel.closed
    assert live.message_count(queue) == 0


def test_a_lost_connection_is_an_error_of_its_own(
    missing: Callable[[str, str], NoReturn],
) -> None:
    try:
        broker = RabbitMQ()
    except ConnectionError as error:
        missing("RabbitMQ", str(error))
    channel = broker.channel()
    channel._connection.close()
    with pytest.raises(ConnectionError, match="connection to RabbitMQ is lost"):
        channel.get("q")
    assert channel.closed
    broker.get(queue := broker.declare_queue(exclusive=True))
    broker._connection.close()
    with pytest.raises(ConnectionError, match="connection to RabbitMQ is lost"):
        broker.get(queue)
    broker.close()
