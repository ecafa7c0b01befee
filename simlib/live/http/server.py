"""A service of :mod:`simlib.calls` behind a real socket: Flask reads requests, waitress serves.

Every address and every method goes to the one ``handle`` of the service, so that it says the same
over a socket as inside the program. What Flask refuses before that (a body beyond the bound) comes
as ``application/problem+json``, too; what breaks HTTP itself waitress answers, in plain text.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from threading import Thread
from typing import Any, Final
from urllib.parse import quote

import flask
import waitress
from waitress import wasyncore
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from simlib.calls import Reply, Request, Service
from simlib.calls.errors import encode

__all__ = ["LARGEST", "PATIENCE", "Server", "application", "serve"]

LARGEST: Final = 1 << 20
"""The most bytes of a body that are handed to a service, which may want fewer."""
PATIENCE: Final = 5.0
"""Seconds that a server which closes waits for handlers still at work."""

_WITHOUT_STATUS: Final = {"ok": 200, "failed": 500, "refused": 503, "timed_out": 504}
"""What is said of a reply that has no status: whoever should have answered did not."""


@dataclass(frozen=True)
class Server:
    """A service that listens."""

    url: str
    """Where, such as ``http://127.0.0.1:49152``; addresses begin behind it."""
    port: int


def application(service: Service, largest: int = LARGEST) -> flask.Flask:
    """A WSGI application that hands each request to a service, whatever its method and address.

    Parameters
    ----------
    service : Service
        Its ``handle`` is called by several threads at once.
    largest : int
        The most bytes of a body (>= 1); a longer one is refused, and the service doesn't see it.
    """
    if not isinstance(service, Service):
        raise TypeError(f"service must have handle(request), got {type(service).__name__}")
    if isinstance(largest, bool) or not isinstance(largest, int) or largest < 1:
        raise ValueError(f"largest must be a whole number of bytes from 1 on, got {largest!r}")
    app = flask.Flask(__name__, static_folder=None)
    # Never: its error page shows the source and runs what it is sent. FLASK_DEBUG doesn't count.
    app.debug = False
    app.config["MAX_CONTENT_LENGTH"] = largest
    # One rule for all: which addresses there are, and with which methods, the service knows.
    app.url_map.merge_slashes = False
    for address in ("/", "/<path:address>"):
        app.url_map.add(Rule(address, endpoint="service", strict_slashes=False))
    app.view_functions["service"] = lambda **_: _sent(service.handle(_received()))
    app.register_error_handler(HTTPException, _refused)
    return app


def _received() -> Request:
    """The request under way, as services know it."""
    request = flask.request
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Request(request.method, _target(request.environ), request.get_data(), headers)


def _target(environ: dict[str, Any]) -> str:
    """Path and query as they were sent, with no escape resolved."""
    target: str = environ.get("REQUEST_URI") or ""
    if not target:  # not behind waitress
        query = environ.get("QUERY_STRING", "")
        return quote(environ["PATH_INFO"].encode("latin-1")) + (f"?{query}" if query else "")
    scheme, there, rest = target.partition("://")
    if there and "/" not in scheme:  # the whole address, as to a proxy (RFC 9112, 3.2.2)
        return "/" + rest.partition("/")[2]
    return target


def _sent(reply: Reply) -> flask.Response:
    """A reply as Flask sends it: its own headers, and none that Flask would add."""
    status = reply.status or _WITHOUT_STATUS.get(reply.outcome, 500)
    response = flask.Response(reply.body, status)
    response.headers.clear()
    response.headers["content-length"] = str(len(reply.body))
    for name, value in reply.headers.items():
        response.headers[name] = value
    return response


def _refused(error: HTTPException) -> flask.Response:
    """What Flask itself refuses, said as the service says it (RFC 9457)."""
    status = error.code or 500
    problem = {
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.description or error.name,
    }
    return _sent(
        Reply(
            status=status,
            body=encode(problem),
            headers={"content-type": "application/problem+json"},
        )
    )


@contextmanager
def serve(
    service: Service, port: int = 0, threads: int = 4, largest: int = LARGEST
) -> Iterator[Server]:
    """Listen on 127.0.0.1 for as long as the block runs.

    At its end, however it ends, the socket and all connections are closed; handlers still at work
    have ``PATIENCE`` seconds to come to an end, and nobody hears their answer.

    Parameters
    ----------
    service : Service
        Who answers; up to ``threads`` of its ``handle`` run at once.
    port : int
        Where; 0: any that is free.
    threads : int
        How many requests are worked on at once; others wait.
    largest : int
        The most bytes of a body (>= 1).

    Raises
    ------
    OSError
        The port is taken.

    Examples
    --------
    >>> from simlib.calls import ShopService
    >>> from simlib.calls.sample import sample_shop
    >>> import urllib3
    >>> with sample_shop() as shop, serve(ShopService(shop)) as server:
    ...     urllib3.request("GET", f"{server.url}/orders/1042").json()["status"]
    'confirmed'
    """
    for name, value, low, high in (("port", port, 0, 65_535), ("threads", threads, 1, 1000)):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
    app = application(service, largest)
    # That requests wait is what is measured here, and no news.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    sockets: dict[int, Any] = {}
    # Not by waitress, which starts its threads before it finds that the port is taken.
    bound = socket.create_server(("127.0.0.1", port))
    listening: Any = waitress.create_server(
        app,
        sockets,
        sockets=[bound],
        threads=threads,
        ident="",
        # Flask refuses sooner, and says so as a problem. Beyond this nothing is even received.
        max_request_body_size=2 * largest + 2,
    )
    loop = Thread(target=listening.run, name="simlib-http", daemon=True)
    loop.start()
    try:
        port = int(listening.effective_port)
        yield Server(f"http://127.0.0.1:{port}", port)
    finally:
        _close(listening, sockets, loop)


def _close(listening: Any, sockets: dict[int, Any], loop: Thread) -> None:
    """End a server: no new connections, then no handlers, then no sockets.

    The loop's own thread closes what is its own. The pipe by which others wake it goes last, when
    nobody can write to it any more: what has its number next would get that byte.
    """
    wake, handlers = listening.trigger.pull_trigger, listening.task_dispatcher

    def hang_up() -> None:
        for channel in list(listening.active_channels.values()):
            channel.handle_close()

    def leave() -> None:
        hang_up()
        sockets.clear()  # with none left to look at, the loop ends

    def end() -> None:
        with handlers.lock:
            handlers.thread_exit_cv.wait_for(lambda: not handlers.threads)
        wake(leave)
        loop.join()
        listening.trigger.close()

    wake(lambda: wasyncore.dispatcher.close(listening))
    handlers.shutdown(timeout=PATIENCE)
    if handlers.threads:
        wake(hang_up)
        Thread(target=end, name="simlib-http-end", daemon=True).start()
    else:
        end()
