"""What a learner reads who has no RabbitMQ; what it does with one, tests/broker holds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

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
