"""What a call looks like on the wire, in HTTP/1.1, byte by byte; so that its size can be counted.

The heads are those of an ordinary caller and an ordinary server. A GET for ``/orders/1042`` has a
head of 241 bytes, of which the W3C trace context takes 70; the head of a reply with a JSON body
of three digits has 149.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from .request import Reply, Request

__all__ = ["reply_bytes", "request_bytes"]

_CALLER = {
    "host": "shop.example.com",
    "user-agent": "python-requests/2.32.3",
    "accept-encoding": "gzip, deflate",
    "accept": "application/json",
    "connection": "keep-alive",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}
# no-cache means: keep it, but ask whether it is still the same before you use it.
_SERVER = {
    "date": "Tue, 06 Jan 2026 08:12:31 GMT",
    "server": "nginx",
    "cache-control": "no-cache",
}
_WITHOUT_BODY = (204, 304)


def request_bytes(request: Request) -> bytes:
    """A request as its caller sends it.

    Its own headers stand in for the usual ones of the same name.
    """
    headers = {**_CALLER, **request.headers}
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        headers["content-length"] = str(len(request.body))
    return _message(f"{request.method} {request.target} HTTP/1.1", headers, request.body)


def reply_bytes(reply: Reply) -> bytes:
    """A reply as its server sends it.

    Raises
    ------
    ValueError
        Nobody answered, so there is no status.
    """
    if reply.status is None:
        raise ValueError(f"a reply without a status was never sent: {reply.outcome}")
    headers = {**_SERVER, **reply.headers}
    if reply.status not in _WITHOUT_BODY:
        headers.setdefault("content-length", str(len(reply.body)))
    status = f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"
    return _message(status, headers, reply.body)


def _message(first: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
