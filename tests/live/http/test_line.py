"""A line that takes its time and loses things: the same losses as inside the program."""

from __future__ import annotations

import json
import threading
import time

import pytest

from simlib.calls import LossyLine, Outcome, Request, Service, ShopService
from simlib.calls.sample import NEW_ORDER, sample_shop
from simlib.live.http import HttpService, Policies, line, serve
from simlib.resilience import Retry

BODY, HEAD = json.dumps(NEW_ORDER).encode(), {"content-type": "application/json"}
WANTED = 150


def booked(service: Service) -> int:
    """How many orders there are; the sample has 40, and the highest number is 1060."""
    (newest,) = json.loads(service.handle(Request("GET", "/orders?limit=1")).body)
    return int(newest["id"]) - 1060


def order(number: int, keyed: bool) -> Request:
    key = {"idempotency-key": f"order-{number}"} if keyed else {}
    return Request("POST", "/orders", BODY, HEAD | key)


@pytest.mark.parametrize("keyed", [False, True])
def test_as_many_orders_are_doubled_as_inside_the_program(keyed: bool) -> None:
    losses = {"requests": 0.05, "replies": 0.1, "seed": 7}
    with sample_shop() as one, sample_shop() as other:
        inside = ShopService(one)
        lossy = LossyLine(inside, **losses)  # type: ignore[arg-type]
        for number in range(WANTED):
            while not lossy.handle(order(number, keyed)).ok:
                pass
        policies = Policies(retry=Retry(attempts=20), blindly=True)
        with (
            serve(ShopService(other)) as server,
            line(server.url, rtt=0.0, **losses) as far,  # type: ignore[arg-type]
            HttpService(far.url, policies) as caller,
        ):
            for number in range(WANTED):
                assert caller.handle(order(number, keyed)).status == 201
        assert far.lost == lossy.lost > 10
        assert booked(ShopService(other)) == booked(inside)
        assert (booked(inside) == WANTED) is keyed


def test_bytes_take_half_a_round_trip_each_way() -> None:
    rtt = 0.05
    with (
        sample_shop() as shop,
        serve(ShopService(shop)) as server,
        line(server.url, rtt) as far,
        HttpService(far.url) as caller,
    ):
        took = []
        for _ in range(3):
            start = time.monotonic()
            assert caller.handle(Request("GET", "/orders")).ok
            took.append(time.monotonic() - start)
    assert took[0] >= 2 * rtt  # a connection was opened
    assert min(took) >= rtt


def test_what_is_long_arrives_whole() -> None:
    class Says:
        def handle(self, request: Request) -> object:
            from simlib.calls import Reply

            return Reply(status=200, body=bytes(reversed(request.body)))

    body = bytes(range(256)) * 3000
    with (
        serve(Says()) as server,  # type: ignore[arg-type]
        line(server.url, rtt=0.0) as far,
        HttpService(far.url) as caller,
    ):
        assert caller.handle(Request("POST", "/", body)).body == bytes(reversed(body))


def test_nobody_behind_it_breaks_the_connection() -> None:
    with sample_shop() as shop, serve(ShopService(shop)) as server:
        gone = server.url
    with line(gone, rtt=0.0) as far, HttpService(far.url) as caller:
        assert caller.handle(Request()).outcome is Outcome.FAILED


def test_it_closes_also_while_something_is_under_way_and_after_an_exception() -> None:
    before = set(threading.enumerate())
    outcomes: list[Outcome] = []

    def fails() -> None:
        with (
            sample_shop() as shop,
            serve(ShopService(shop)) as server,
            line(server.url, 60.0) as far,
        ):

            def ask() -> None:
                with HttpService(far.url) as caller:
                    outcomes.append(caller.handle(Request()).outcome)

            threading.Thread(target=ask).start()
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()
    assert outcomes[0] in (Outcome.FAILED, Outcome.REFUSED)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"to": "http://example.org:80"}, "to must be http://127.0.0.1 with a port"),
        ({"to": "http://127.0.0.1"}, "to must be"),
        ({"rtt": -1}, "rtt must be a number of seconds from 0 on, got -1"),
        ({"replies": 2}, "replies must be a number from 0 to 1, got 2"),
        ({"requests": True}, "requests must be"),
    ],
)
def test_what_can_not_be_is_refused(wrong: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        line(**{"to": "http://127.0.0.1:1", **wrong}).__enter__()  # type: ignore[arg-type]
