"""A caller over a socket: its outcomes, its policies, and its spans."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from simlib.calls import Outcome, Reply, Request, Service, ShopService
from simlib.calls.sample import NEW_ORDER, sample_shop
from simlib.live.http import BreakerOpenError, HttpService, Policies, PolicyAdapter, serve
from simlib.resilience import CircuitBreaker, Fixed, Retry, RetryBudget

PATIENCE = 60
MakeScript = Callable[..., Any]


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def policies(clock: Clock | None = None, **changes: Any) -> Policies:
    clock = clock or Clock()
    return Policies(timeout=PATIENCE, clock=clock, sleep=clock.sleep, draw=lambda: 0.5, **changes)


def post(**headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps(NEW_ORDER).encode()
    return Request("POST", "/orders", body, {"content-type": "application/json", **named})


@contextmanager
def hangs() -> Iterator[str]:
    """The address of something that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def says(*pieces: bytes) -> Iterator[str]:
    """The address of something that says these bytes to the first who asks, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(PATIENCE)
                connection.recv(65_536)
                for piece in pieces:
                    connection.sendall(piece)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(PATIENCE)


def test_it_is_a_service_like_the_one_it_asks() -> None:
    asked = [
        Request("GET", "/orders/1042"),
        Request("HEAD", "/orders/1042"),
        Request("GET", "/orders?limit=2"),
        post(idempotency_key="a"),
        post(idempotency_key="a"),
        Request("GET", "/orders/9"),
        Request("PUT", "/orders/1042", b"{}", {"content-type": "application/json"}),
        Request("DELETE", "/orders/1042"),
        Request("GET", "/orders/10%2F42"),
    ]
    with sample_shop() as one, sample_shop() as other:
        inside = ShopService(one)
        with serve(ShopService(other)) as server, HttpService(server.url) as service:
            assert isinstance(service, Service)
            for request in asked:
                expected, reply = inside.handle(request), service.handle(request)
                found = (reply.outcome, reply.status, reply.body)
                assert found == (expected.outcome, expected.status, expected.body), request
                assert expected.headers.items() <= reply.headers.items()


def test_what_became_of_a_call_is_in_the_reply(scripted: MakeScript) -> None:
    statuses = {204: "ok", 404: "failed", 429: "refused", 500: "failed", 503: "refused"}
    for status, outcome in statuses.items():
        with serve(scripted(status)) as server, HttpService(server.url) as service:
            assert service.handle(Request()).outcome == outcome
    assert HttpService(server.url).handle(Request()).outcome is Outcome.REFUSED  # closed by now
    with hangs() as url, HttpService(url, Policies(timeout=0.05)) as service:
        assert service.handle(Request()) == Reply(Outcome.TIMED_OUT)
    with says(b"") as url, HttpService(url) as service:
        assert service.handle(Request()) == Reply(Outcome.FAILED)
    with says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf") as url:
        assert HttpService(url).handle(Request()) == Reply(Outcome.FAILED)


def test_a_deadline_bounds_all_attempts() -> None:
    clock = Clock()
    retry = Retry(attempts=100, wait=Fixed(1.0))
    made = policies(clock, retry=retry)
    url = f"http://127.0.0.1:{_free_port()}"
    with HttpService(url, made) as service:
        reply = service.handle(Request(deadline=clock.now + 3.5))
        assert reply.outcome is Outcome.REFUSED
        assert clock.slept == [1.0, 1.0, 1.0]
        assert service.handle(Request(deadline=clock.now)).outcome is Outcome.TIMED_OUT
        assert len(clock.slept) == 3


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def test_what_fails_is_tried_again_and_pauses_as_it_is_told(scripted: MakeScript) -> None:
    clock, service = Clock(), scripted(500, 502, 200)
    made = policies(clock, retry=Retry(attempts=3, wait=Fixed(0.25)))
    with serve(service) as server, HttpService(server.url, made) as caller:
        assert caller.handle(Request()).status == 200
    assert clock.slept == [0.25, 0.25]
    assert len(service.heard) == 3


def test_it_waits_as_long_as_the_service_asks() -> None:
    clock = Clock()

    class Busy:
        def handle(self, request: Request) -> Reply:
            return Reply(Outcome.REFUSED, 503, headers={"retry-after": "7"})

    made = policies(clock, retry=Retry(attempts=2, wait=Fixed(0.25)))
    with serve(Busy()) as server, HttpService(server.url, made) as caller:
        assert caller.handle(post()).status == 503
    assert clock.slept == [7.0]


@pytest.mark.parametrize(
    ("request_", "blindly", "attempts"),
    [
        (Request("GET"), False, 3),
        (Request("PUT"), False, 3),
        (Request("DELETE"), False, 3),
        (post(), False, 1),
        (Request("PATCH"), False, 1),
        (post(idempotency_key="x"), False, 3),
        (post(), True, 3),
    ],
    ids=str,
)
def test_what_could_be_done_twice_is_not_repeated(
    request_: Request, blindly: bool, attempts: int, scripted: MakeScript
) -> None:
    service = scripted(500)
    made = policies(retry=Retry(attempts=3), blindly=blindly)
    with serve(service) as server, HttpService(server.url, made) as caller:
        caller.handle(request_)
    assert len(service.heard) == attempts


def test_a_mistake_of_the_caller_is_not_repeated(scripted: MakeScript) -> None:
    service = scripted(404)
    with serve(service) as server:
        HttpService(server.url, policies(retry=Retry(attempts=3))).handle(Request())
    assert len(service.heard) == 1


def test_the_budget_bounds_the_retries_of_all_calls(scripted: MakeScript) -> None:
    service, budget = scripted(500), RetryBudget(ratio=0.5, maximum=10, initial=0)
    made = policies(retry=Retry(attempts=10), budget=budget)
    with serve(service) as server, HttpService(server.url, made) as caller:
        for _ in range(40):
            caller.handle(Request())
    assert len(service.heard) == 60


def test_a_session_of_requests_gets_the_same_policies(scripted: MakeScript) -> None:
    breaker = CircuitBreaker(window=2, minimum=2, open_for=5.0, probes=1)
    service = scripted(500, 500, 200)
    with serve(service) as server, requests.Session() as session:
        session.trust_env = False
        session.mount("http://", PolicyAdapter(policies(breaker=breaker)))
        assert [session.get(server.url, timeout=PATIENCE).status_code for _ in "ab"] == [500, 500]
        with pytest.raises(BreakerOpenError, match="the breaker is open: nothing was sent"):
            session.get(server.url, timeout=PATIENCE)
    assert len(service.heard) == 2


def test_a_breaker_that_opens_between_attempts_does_not_hide_what_was_tried(
    scripted: MakeScript,
) -> None:
    breaker = CircuitBreaker(window=1, minimum=1, open_for=5.0, probes=1)
    service = scripted(500)
    made = policies(breaker=breaker, retry=Retry(attempts=3))
    with serve(service) as server, HttpService(server.url, made) as caller:
        assert caller.handle(Request()).status == 500
        assert caller.handle(Request()) == Reply(Outcome.REFUSED)
    assert len(service.heard) == 1


def test_replies_are_bounded_in_size_and_time() -> None:
    with serve(ShopService(sample_shop())) as server, requests.Session() as session:
        session.mount("http://", PolicyAdapter(Policies(), largest=100))
        with pytest.raises(requests.ConnectionError, match="more than 100 bytes"):
            session.get(f"{server.url}/orders", timeout=PATIENCE)
    clock = Clock()

    def later() -> float:
        clock.now += 1
        return clock.now

    head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"
    with says(head, *[b"x"] * 10) as url:
        slow = HttpService(url, Policies(timeout=5.0, clock=later))
        assert slow.handle(Request()).outcome in (Outcome.TIMED_OUT, Outcome.FAILED)


def test_threads_share_a_caller_and_each_has_its_connection() -> None:
    ports, meet = set(), threading.Barrier(3)

    class Meets:
        def handle(self, request: Request) -> Reply:
            meet.wait(PATIENCE)
            return Reply(status=200)

    with serve(Meets(), threads=3) as server, HttpService(server.url) as caller:
        threads = [
            threading.Thread(target=lambda: ports.add(caller.handle(Request()).status))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert ports == {200}
    assert not meet.broken


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: HttpService("127.0.0.1"), "url must begin with http"),
        (lambda: Policies(timeout=0), "timeout must be a number of seconds > 0, got 0"),
        (lambda: Policies(timeout=True), "timeout must be"),
    ],
)
def test_what_can_not_be_is_refused(make: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()
