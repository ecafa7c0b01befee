"""What is said over a socket is what is said inside the program, byte for byte."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping

import pytest

from simlib.calls import Outcome, Reply, Request, ShopService
from simlib.calls.sample import NEW_ORDER, sample_shop
from simlib.live.http import Server, application, serve

JSON = {"content-type": "application/json"}
PATIENCE = 60

OWN = {"date", "connection"}
"""What a server says of itself."""


def over_the_socket(server: Server, request: Request) -> Reply:
    """The reply to a request that goes out as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        connection.putrequest(request.method, request.target)
        headers = dict(request.headers)
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            headers["content-length"] = str(len(request.body))
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(request.body)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    said = {name.lower(): value for name, value in answer.getheaders()}
    return Reply(status=answer.status, body=body, headers=said)


def sent(reply: Reply) -> tuple[int | None, bytes, Mapping[str, str]]:
    """What of a reply is sent: status, body and heads, but for what only servers say."""
    headers = {name: value for name, value in reply.headers.items() if name not in OWN}
    if reply.status not in (204, 304):
        headers.setdefault("content-length", str(len(reply.body)))
    return reply.status, reply.body, headers


def _post(target: str, value: object, **headers: str) -> Request:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Request("POST", target, json.dumps(value).encode(), JSON | named)


def conversation() -> Iterator[Request]:
    """Every route, every kind of refusal, and what is odd, in an order in which each matters."""
    yield Request("GET", "/orders/1042")
    yield Request("HEAD", "/orders/1042")
    yield Request("GET", "/orders/1042", headers={"if-none-match": '"022"'})
    yield Request("GET", "/orders/1042", headers={"if-match": '"001"'})
    yield Request("GET", "/orders?limit=3")
    yield Request("GET", "/orders?limit=3&after=1040")
    yield Request("GET", "/orders?limit=3&offset=57")
    yield Request("GET", "/orders?limit=0")
    yield Request("GET", "/customers?ids=101,102,999")
    yield Request("OPTIONS", "/products")
    yield _post("/orders", NEW_ORDER)
    yield _post("/orders", NEW_ORDER, idempotency_key="one")
    yield _post("/orders", NEW_ORDER, idempotency_key="one")
    yield _post("/orders", NEW_ORDER | {"quantity": 2}, idempotency_key="one")
    yield _post("/orders", NEW_ORDER | {"quantity": 3.0})
    yield _post("/orders", NEW_ORDER | {"quantity": "many", "colour": "red"})
    yield Request("POST", "/orders", b"{", JSON)
    yield Request("POST", "/orders", b"quantity=1", {"content-type": "text/plain"})
    yield Request("POST", "/orders", b" " * 70_000, JSON)
    whole = NEW_ORDER | {"status": "shipped", "note": "Grüße, ☃"}
    yield Request("PUT", "/orders/1042", json.dumps(whole).encode(), JSON)
    yield Request("PUT", "/orders/1042", json.dumps(whole).encode(), JSON | {"if-match": '"001"'})
    yield Request("PUT", "/orders/1042", json.dumps(whole).encode(), JSON | {"if-match": '"022"'})
    yield Request("PATCH", "/orders/1042", b'{"note":null}', JSON)
    yield Request("GET", "/orders/1042")
    yield Request("DELETE", "/orders/1062")
    yield _post("/orders", NEW_ORDER, idempotency_key="one")
    yield Request("DELETE", "/orders/1062")
    yield Request("DELETE", "/orders")
    yield Request("GET", "/nothing/here")
    yield Request("GET", "//orders")
    yield Request("GET", "/orders/")
    yield Request("GET", "/%6frders/1041")
    yield Request("GET", "/orders/10%2F41")
    yield Request("GET", "/%ff")
    yield Request("GET", "/orders?limit=%31")
    yield Request("BREW", "/orders")
    yield Request("GET", "/" + "a" * 9000)
    yield _post("/rpc/describeOrder", {"id": "1041"})
    yield _post("/rpc/listOrders", {"limit": 2})
    yield _post("/rpc/createOrder", NEW_ORDER)
    yield _post("/rpc/changeStatus", {"id": "1041", "status": "shipped"})
    yield _post("/graphql", {"query": "{orders(limit:2){id customer{name}}}"})
    yield _post("/graphql", {"query": "{orders(limit:0){id}}"})
    yield _post("/graphql", {"query": "{"})


def test_a_conversation_is_the_same_inside_the_program_and_over_a_socket() -> None:
    statuses = set()
    with sample_shop() as one, sample_shop() as other:
        inside = ShopService(one)
        with serve(ShopService(other)) as server:
            for request in conversation():
                expected = sent(inside.handle(request))
                assert sent(over_the_socket(server, request)) == expected, request
                statuses.add(expected[0])
    assert statuses == {200, 201, 204, 304, 400, 404, 405, 409, 412, 413, 414, 415, 422, 428}


class Says:
    """A service of one sentence."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.heard: list[Request] = []

    def handle(self, request: Request) -> Reply:
        self.heard.append(request)
        return self.reply


def test_any_service_can_be_served_and_hears_what_was_sent() -> None:
    service = Says(Reply(status=200, body=b"here", headers={"x-said": "yes"}))
    with serve(service) as server:
        asked = Request("PATCH", "/a//b%20c?d=%C3%A9&d", b"\x00\xff", {"x-asked": "1"})
        reply = over_the_socket(server, asked)
        absolute = Request("GET", f"{server.url}/x?y")
        over_the_socket(server, absolute)
    assert (reply.status, reply.body, reply.headers["x-said"]) == (200, b"here", "yes")
    (heard, second) = service.heard
    assert (heard.method, heard.target, heard.body) == (asked.method, asked.target, asked.body)
    assert heard.headers["x-asked"] == "1"
    assert second.target == "/x?y"


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(Outcome.FAILED, 500), (Outcome.REFUSED, 503), (Outcome.TIMED_OUT, 504), (Outcome.OK, 200)],
)
def test_what_has_no_status_gets_one(outcome: Outcome, status: int) -> None:
    with serve(Says(Reply(outcome))) as server:
        assert over_the_socket(server, Request()).status == status


def test_a_body_beyond_the_bound_is_refused_before_the_service_sees_it() -> None:
    service = Says(Reply(status=200))
    with serve(service, largest=1000) as server:
        reply = over_the_socket(server, Request("POST", "/", b"x" * 1001))
        assert (reply.status, json.loads(reply.body)["status"]) == (413, 413)
        assert reply.headers["content-type"] == "application/problem+json"
        assert over_the_socket(server, Request("POST", "/", b"x" * 5000)).status == 413
        assert not service.heard
        assert over_the_socket(server, Request("POST", "/", b"x" * 1000)).status == 200


class Breaks:
    def handle(self, request: Request) -> Reply:
        raise RuntimeError("a secret")


@pytest.mark.parametrize("variable", ["0", "1"])
def test_a_defect_is_a_500_that_tells_nothing(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", variable)
    assert not application(Breaks()).debug
    with serve(Breaks()) as server:
        reply = over_the_socket(server, Request())
        assert over_the_socket(server, Request("GET", "/console")).status == 500
    assert reply.status == 500
    assert reply.headers["content-type"] == "application/problem+json"
    assert b"secret" not in reply.body
    assert b"Traceback" not in reply.body


def connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True


def test_everything_is_closed_also_after_an_exception() -> None:
    before = set(threading.enumerate())
    kept, ports = socket.socket(), []
    kept.settimeout(PATIENCE)

    def goes_wrong() -> None:
        with serve(Says(Reply(status=204))) as server:
            ports.append(server.port)
            kept.connect(("127.0.0.1", server.port))
            kept.sendall(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
            assert kept.recv(9) == b"HTTP/1.1 "
            assert connects(server.port)
            raise KeyError

    with kept:
        with pytest.raises(KeyError):
            goes_wrong()
        while kept.recv(1000):
            pass
    assert not connects(*ports)
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(PATIENCE)
    assert not [thread for thread in left if thread.is_alive()]


class Waits:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.called, self.go = threading.Event(), threading.Event()

    def handle(self, request: Request) -> Reply:
        self.called.set()
        self.go.wait(PATIENCE)
        return Reply(status=200, body=b"late")


def test_a_handler_at_work_may_finish_and_is_heard() -> None:
    service, heard = Waits(), []
    with serve(service) as server:
        caller = threading.Thread(
            target=lambda: heard.append(over_the_socket(server, Request()).body)
        )
        caller.start()
        assert service.called.wait(PATIENCE)
        threading.Timer(0.05, service.go.set).start()
    caller.join(PATIENCE)
    assert heard == [b"late"]


def test_a_handler_that_does_not_finish_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simlib.live.http.server.PATIENCE", 0.05)
    service = Waits()
    with serve(service) as server:
        caller = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
        caller.sendall(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
        assert service.called.wait(PATIENCE)
    with caller:
        assert caller.recv(1) == b""
    service.go.set()
    for thread in threading.enumerate():
        if thread.name.startswith("simlib-http"):
            thread.join(PATIENCE)
            assert not thread.is_alive()


def test_so_many_threads_work_at_once() -> None:
    together = threading.Barrier(3)

    class Meets:
        def handle(self, request: Request) -> Reply:
            together.wait(PATIENCE)
            return Reply(status=204)

    with serve(Meets(), threads=3) as server:
        callers = [
            threading.Thread(target=over_the_socket, args=(server, Request())) for _ in range(3)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(PATIENCE)
    assert not together.broken


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ({"port": -1}, ValueError, "port must be a whole number from 0 to 65535, got -1"),
        ({"port": True}, ValueError, "port must be"),
        ({"threads": 0}, ValueError, "threads must be a whole number from 1 to 1000, got 0"),
        ({"largest": 0}, ValueError, "largest must be a whole number of bytes from 1 on, got 0"),
        ({"service": object()}, TypeError, "service must have handle"),
    ],
)
def test_what_can_not_be_is_refused(
    wrong: dict[str, object], error: type[Exception], text: str
) -> None:
    arguments = {"service": Says(Reply()), **wrong}
    with pytest.raises(error, match=text):
        serve(**arguments).__enter__()  # type: ignore[arg-type]


def test_a_port_that_is_taken_says_so() -> None:
    with (
        serve(Says(Reply())) as server,
        pytest.raises(OSError, match="in use"),
        serve(Says(Reply()), port=server.port),
    ):
        pass
