"""What a learner reads who has no RabbitMQ; what it does with one, tests/broker holds."""

from __future__ import annotations

import sys

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
