"""Where RabbitMQ is looked for, and what is refused before anything is asked."""

from __future__ import annotations

import sys

import pytest

from simlib.live import RabbitMQ
from simlib.live.address import HOW_TO_GET, LOCAL, address
from simlib.live.rabbit import Link, Publisher, Subscription, Topic, WorkQueue

CLOSED = "amqp://guest:guest@127.0.0.1:1/%2F"


def test_the_variable_names_a_server_and_what_is_given_comes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AMQP_URL", raising=False)
    assert address() == LOCAL
    monkeypatch.setenv("AMQP_URL", "amqp://localhost:5673")
    assert address() == "amqp://localhost:5673"
    assert address(CLOSED) == CLOSED
    monkeypatch.setenv("AMQP_URL", "")
    assert address() == LOCAL


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_this_machine_needs_no_word(host: str) -> None:
    assert address(f"amqp://{host}:5672")


@pytest.mark.parametrize("host", ["10.0.0.1", "rabbit.example.org", "0.0.0.0", "[2001:db8::1]"])
def test_another_machine_needs_the_word(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"amqp://me:sesame@{host}/%2F"
    with pytest.raises(ValueError, match=r"another machine.*say anywhere=True") as refused:
        address(url)
    assert "sesame" not in str(refused.value)
    assert address(url, anywhere=True) == url
    assert Link(url=url, anywhere=True).url == url
    monkeypatch.setenv("AMQP_URL", url)
    for ask in (Link, RabbitMQ):
        with pytest.raises(ValueError, match="AMQP_URL leads to"):
            ask()


@pytest.mark.parametrize(
    "url", ["", "http://localhost", "amqp://", "amqp://localhost:99999", "amqp://localhost:0", "x"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be amqp://user:password@host:port/virtual-host"):
        address(url)


def test_a_query_that_pika_cannot_read_is_an_error_of_its_own() -> None:
    with pytest.raises(ValueError, match=r"the query of the url for 127\.0\.0\.1:5672"):
        Link(url=f"{LOCAL}?heartbeat=often").connect()


def test_without_a_server_it_says_how_to_get_one() -> None:
    with pytest.raises(ConnectionError, match=r"no RabbitMQ answers at 127\.0\.0\.1:1 ") as found:
        Link(url=CLOSED).connect()
    assert HOW_TO_GET in str(found.value)
    for system in ("Debian", "macOS", "Windows", "conda", "Docker", "AMQP_URL"):
        assert system in HOW_TO_GET
    assert "127.0.0.1:5672:5672" in HOW_TO_GET  # Not for everybody in the net.


def test_without_pika_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pika", None)
    with pytest.raises(ImportError, match=r"pip install 'simlib\[live\]'"):
        Link().connect()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Link(heartbeat=0), "heartbeat must be from 1 to 65535 s, got 0"),
        (lambda: Link(blocked_timeout=0), "blocked_timeout must be > 0 s, got 0"),
        (lambda: WorkQueue(""), "needs a name of its own"),
        (lambda: WorkQueue("amq.mine"), "not beginning with 'amq.'"),
        (lambda: WorkQueue("é" * 126), "at most 255 bytes, got 257"),
        (lambda: WorkQueue("q", capacity=0), "capacity must be >= 1 message, got 0"),
        (lambda: WorkQueue("q", expires=0), "expires must be >= 0.001 s, got 0"),
        (lambda: Topic(""), "an exchange of its own"),
        (lambda: Topic("amq.topic"), "doesn't begin with 'amq.'"),
        (lambda: Subscription(Topic("t"), ()), "patterns must be one or more"),
        (lambda: Subscription(Topic("t"), "a.b"), "in a tuple, got 'a.b'"),
        (lambda: Publisher(WorkQueue("q")).publish(b"", "key"), "has no routing keys, got 'key'"),
    ],
)
def test_bad_values_are_refused_before_anything_runs(make: object, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make()  # type: ignore[operator]
