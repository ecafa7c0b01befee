"""Services around a service: one that takes its time, and one whose spans are kept."""

from __future__ import annotations

import time
from dataclasses import replace
from math import isfinite

from simlib.calls import Reply, Request, Service
from simlib.tracing import Kind, Recorder, TraceContext

__all__ = ["Slowed", "Traced"]


class Slowed:
    """A service whose every answer takes some time more, and each query at its database, too.

    Time is slept, as a handler does that waits for a disk or another service, or computed, as one
    does that works itself: of several Python threads that compute, one at a time gets on.

    Parameters
    ----------
    service : Service
        Who answers.
    work, query : float
        Time for a request, and for each query that had to wait for another (s, >= 0).
    computing : bool
        Whether the time is computed, by the thread's own clock of CPU time.
    """

    def __init__(
        self, service: Service, work: float = 0.0, query: float = 0.0, computing: bool = False
    ) -> None:
        for name, value in (("work", work), ("query", query)):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (number and isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be a number of seconds from 0 on, got {value!r}")
        self.service = service
        self.work = work
        self.query = query
        self.computing = computing

    def handle(self, request: Request) -> Reply:
        """Answer as the service does, later."""
        reply = self.service.handle(request)
        seconds = self.work + self.query * reply.queries.in_series
        if not self.computing:
            time.sleep(seconds)
            return reply
        until = time.thread_time() + seconds
        while time.thread_time() < until:
            pass
        return reply


class Traced:
    """A service of which each answer is a span, beneath the span that the request names.

    Parameters
    ----------
    service : Service
        Who answers; it gets the new span's context in the request's ``traceparent``.
    recorder : Recorder
        Keeps the spans.
    name : str
        What the service is called in them.
    """

    def __init__(self, service: Service, recorder: Recorder, name: str) -> None:
        self.service = service
        self.recorder = recorder
        self.name = name

    def handle(self, request: Request) -> Reply:
        """Answer as the service does."""
        caller = TraceContext.taken_from(request.headers)
        path = request.target.partition("?")[0]
        with self.recorder.span(f"{request.method} {path}", self.name, Kind.SERVER, caller) as span:
            headers = span.context.put_into(request.headers)
            reply = self.service.handle(replace(request, headers=headers))
            span.outcome = str(reply.outcome)
            if reply.status is not None:
                span.attributes["http.response.status_code"] = reply.status
            # A caller's mistake is no failure of the service (OpenTelemetry, HTTP conventions).
            span.error = (reply.status or 500) >= 500
        return reply
