"""The values of a call, how they look on the wire, and the errors' tree."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simlib.calls import (
    ClientError,
    HttpError,
    Outcome,
    Queries,
    Reply,
    Request,
    ServerError,
    Service,
    ShopService,
    errors,
    reply_bytes,
    request_bytes,
)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"method": b"GET"}, "method must be text, got bytes: b'GET'"),
        ({"target": None}, "target must be text, got NoneType: None"),
        ({"body": "text"}, "body must be bytes, got str: 'text'"),
        ({"headers": {"etag": 1}}, "headers must map text to text, got 'etag': 1"),
        ({"headers": {b"etag": "1"}}, "headers must map text to text, got b'etag': '1'"),
    ],
)
def test_a_request_is_text_and_bytes(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        Request(**arguments)


def test_names_of_headers_are_in_lower_case_and_cannot_be_changed() -> None:
    for value in (Request(headers={"If-Match": "*"}), Reply(headers={"If-Match": "*"})):
        assert value.headers == {"if-match": "*"}
        with pytest.raises(TypeError):
            value.headers["if-match"] = ""  # type: ignore[index]


@pytest.mark.parametrize(("made", "in_series"), [(-1, -1), (1, 2), (1, -1)])
def test_no_more_queries_are_in_series_than_were_made(made: int, in_series: int) -> None:
    with pytest.raises(ValueError, match="in_series must be from 0 to made"):
        Queries(made, in_series)


def test_a_shop_is_a_service(service: ShopService) -> None:
    assert isinstance(service, Service)


def test_a_request_on_the_wire() -> None:
    request = Request("PUT", "/orders/1042", b"{}", {"If-Match": '"022"', "Host": "localhost"})
    assert request_bytes(request).split(b"\r\n") == [
        b"PUT /orders/1042 HTTP/1.1",
        b"host: localhost",
        b"user-agent: python-requests/2.32.3",
        b"accept-encoding: gzip, deflate",
        b"accept: application/json",
        b"connection: keep-alive",
        b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        b'if-match: "022"',
        b"content-length: 2",
        b"",
        b"{}",
    ]
    assert len(request_bytes(Request("GET", "/orders/1042"))) == 241


def test_a_reply_on_the_wire() -> None:
    json_reply = Reply(status=200, body=b"x" * 134, headers={"content-type": "application/json"})
    assert len(reply_bytes(json_reply)) == 149 + 134
    assert reply_bytes(Reply(status=304, headers={"etag": '"022"'})).startswith(
        b"HTTP/1.1 304 Not Modified\r\n"
    )
    for status in (204, 304):
        assert b"content-length" not in reply_bytes(Reply(status=status))
    assert b"content-length: 0\r\n" in reply_bytes(Reply(status=200))
    with pytest.raises(ValueError, match="a reply without a status was never sent: timed_out"):
        reply_bytes(Reply(Outcome.TIMED_OUT))


def test_every_error_is_a_problem_and_has_a_place_in_the_tree() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    with_status = [kind for kind in kinds if hasattr(kind, "status")]
    assert len({kind.status for kind in with_status}) == len(with_status) == 13
    for kind in with_status:
        assert issubclass(kind, ClientError if kind.status < 500 else ServerError)
        assert f"{kind.__name__:<25} {kind.status}" in (errors.__doc__ or "")
        if kind is errors.MethodNotAllowedError:
            continue
        reply = kind("what was wrong", {"retry-after": "1"}).reply()
        assert reply.headers == {"content-type": "application/problem+json", "retry-after": "1"}
        assert json.loads(reply.body)["status"] == reply.status == kind.status
        refused = kind.status in (429, 503)
        assert reply.outcome is (Outcome.REFUSED if refused else Outcome.FAILED)
    assert set(kinds) - set(with_status) == {HttpError, ClientError, ServerError}
