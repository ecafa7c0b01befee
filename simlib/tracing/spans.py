"""A span: something that took time, where, for which message, and because of what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from .context import TraceContext

__all__ = ["Kind", "Parties", "Span"]


class Kind(IntEnum):
    """What a span is to others, with OpenTelemetry's numbers."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that took time.

    The spans of a trace are a tree: each lies within its parent, which caused it.
    """

    context: TraceContext
    """Its trace, and itself."""
    parent_id: str | None
    """The span that caused it; None at the root of a trace."""
    name: str
    """What was done, such as ``queue`` or ``work``."""
    service: str
    """Who did it."""
    kind: Kind = Kind.INTERNAL
    start: float
    """Begin (s)."""
    end: float
    """End (s); that of the run if it went on."""
    error: bool = False
    """Whether it came to nothing."""
    outcome: str = ""
    """What became of it, in the words of ``Result.messages`` and ``Result.attempts``."""
    cause: str = ""
    """Why it came to nothing, where that is known."""
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """What else is known of it."""
    links: tuple[TraceContext, ...] = ()
    """Spans of other traces that are the same work: of messages that were worked on together."""

    def __post_init__(self) -> None:
        if not self.start <= self.end:
            raise ValueError(
                f"end must not be before start={self.start!r} s, got {self.end!r} in {self.name!r}"
            )

    @property
    def trace_id(self) -> str:
        """The trace that it belongs to."""
        return self.context.trace_id

    @property
    def span_id(self) -> str:
        """Itself, within its trace."""
        return self.context.span_id

    @property
    def duration(self) -> float:
        """From start to end (s)."""
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """Who deals with a message: the names of services in the spans of a run.

    Where there are several of a kind, each has a number behind its name.
    """

    sender: str = "producer"
    """Who makes messages or calls."""
    keeper: str = "queue"
    """Where they wait."""
    worker: str = "consumer"
    """Who works on them."""
    calls: bool = False
    """Whether the sender waits for an answer."""
    keepers: Sequence[str] = ()
    """The names of the places where messages wait, where each has one of its own."""
    exchange: str = ""
    """Through what messages come to where they wait; it keeps none, so no span is about it."""
    store: str = ""
    """Where what they bring about is kept, if that has a name; no span is about it, either."""
