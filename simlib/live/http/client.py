"""Whoever answers behind a socket, as a ``Service`` of :mod:`simlib.calls`."""

from __future__ import annotations

from http import HTTPStatus
from math import inf
from threading import local
from types import TracebackType
from typing import Final, Self

import requests

from simlib.calls import Outcome, Reply, Request
from simlib.tracing import Recorder

from .policies import Policies, PolicyAdapter, never_sent

__all__ = ["HttpService"]

_REFUSED: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class HttpService:
    """Sends requests to a server, and gives its replies: what goes wrong is in them, not raised.

    The outcome is what HTTP tells. A status below 400 is ok, though it be a GraphQL answer whose
    body speaks of errors; 429, 503, a breaker and a port where nobody listens are refused. What the
    service's queries were stays there.

    Threads may share it: each has connections of its own, which are kept open.

    Parameters
    ----------
    url : str
        Where the server is, such as ``http://127.0.0.1:8000``.
    policies : Policies, optional
        How calls are made; by default one attempt of at most 5 s.
    recorder : Recorder, optional
        Keeps a span of each attempt.
    name : str
        Who calls, in these spans.

    Examples
    --------
    >>> from simlib.calls import ShopService
    >>> from simlib.calls.sample import sample_shop
    >>> from simlib.live.http import serve
    >>> with (
    ...     sample_shop() as shop,
    ...     serve(ShopService(shop)) as server,
    ...     HttpService(server.url) as service,
    ... ):
    ...     reply = service.handle(Request("GET", "/orders/1042"))
    >>> reply.outcome, reply.status, reply.headers["etag"]
    (<Outcome.OK: 'ok'>, 200, '"022"')
    """

    def __init__(
        self,
        url: str,
        policies: Policies | None = None,
        recorder: Recorder | None = None,
        name: str = "caller",
    ) -> None:
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise ValueError(f"url must begin with http:// or https://, got {url!r}")
        self.url = url.rstrip("/")
        self.policies = policies or Policies()
        self.recorder = recorder
        self.name = name
        self._own = local()
        self._sessions: list[requests.Session] = []

    def handle(self, request: Request) -> Reply:
        """Send one request: its reply, or what is known instead of one."""
        timeout = inf
        if request.deadline is not None:
            timeout = max(0.0, request.deadline - self.policies.clock())
        prepared = requests.PreparedRequest()
        prepared.prepare(request.method, self.url, dict(request.headers), data=request.body or None)
        prepared.url = self.url + request.target  # as it is: no escape is added or resolved
        try:
            found = self._session().send(prepared, timeout=timeout, allow_redirects=False)
        except requests.Timeout:
            return Reply(Outcome.TIMED_OUT)
        except requests.RequestException as problem:
            return Reply(Outcome.REFUSED if never_sent(problem) else Outcome.FAILED)
        outcome = Outcome.OK if found.status_code < 400 else Outcome.FAILED
        if found.status_code in _REFUSED:
            outcome = Outcome.REFUSED
        return Reply(outcome, found.status_code, found.content, dict(found.headers))

    def _session(self) -> requests.Session:
        """This thread's session, which is not to be shared."""
        if not hasattr(self._own, "session"):
            session = requests.Session()
            session.trust_env = False  # no proxy, and no password from a file
            for scheme in ("http://", "https://"):
                session.mount(scheme, PolicyAdapter(self.policies, self.recorder, self.name))
            self._own.session = session
            self._sessions.append(session)
        found: requests.Session = self._own.session
        return found

    def close(self) -> None:
        """Close all connections."""
        for session in self._sessions:
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
