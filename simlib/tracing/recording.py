"""Spans of what really happens: each is timed while it runs, and kept when it ends."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .context import TraceContext
from .spans import Kind, Span

__all__ = ["OpenSpan", "Recorder"]


@dataclass
class OpenSpan:
    """A span that has not ended; what is said of it until then is kept."""

    context: TraceContext
    error: bool = False
    outcome: str = ""
    cause: str = ""
    attributes: dict[str, str | int | float | bool] = field(default_factory=dict)


class Recorder:
    """Keeps spans as they end; threads may share it.

    Parameters
    ----------
    most : int
        How many are kept (>= 1), the last ones.
    clock : callable
        Gives seconds; spans begin from 0 when the recorder is made.

    Examples
    --------
    >>> recorder = Recorder()
    >>> with recorder.span("order", "shop") as order:
    ...     with recorder.span("query", "database", parent=order.context):
    ...         pass
    >>> [span.name for span in recorder.spans]
    ['query', 'order']
    """

    def __init__(self, most: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise ValueError(f"most must be a whole number of spans from 1 on, got {most!r}")
        self._clock = clock
        self._since = clock()
        self._ended: deque[Span] = deque(maxlen=most)

    @property
    def spans(self) -> list[Span]:
        """Those that have ended, in that order."""
        return list(self._ended)

    @contextmanager
    def span(
        self,
        name: str,
        service: str,
        kind: Kind = Kind.INTERNAL,
        parent: TraceContext | None = None,
    ) -> Iterator[OpenSpan]:
        """Time the block; it has failed if it raises.

        Parameters
        ----------
        name, service, kind
            As those of :class:`Span`.
        parent : TraceContext, optional
            What caused it; none: a new trace begins.
        """
        found = OpenSpan(parent.child() if parent else TraceContext.new())
        start = self._clock() - self._since
        try:
            yield found
        except BaseException as error:
            found.error, found.cause = True, found.cause or type(error).__name__
            raise
        finally:
            self._ended.append(
                Span(
                    context=found.context,
                    parent_id=parent.span_id if parent else None,
                    name=name,
                    service=service,
                    kind=kind,
                    start=start,
                    end=self._clock() - self._since,
                    error=found.error,
                    outcome=found.outcome,
                    cause=found.cause,
                    attributes=found.attributes,
                )
            )
