"""What is asked, what is answered, and what became of a call: the seam on which all calls stand.

A service is anything with ``handle(request) -> reply``: one inside the program, one in a
simulation, one behind a socket. Who calls it needs to know no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol, runtime_checkable

__all__ = ["Outcome", "Queries", "Reply", "Request", "Service"]


class Outcome(StrEnum):
    """What became of a call, as its caller knows it."""

    OK = "ok"
    """It was answered, and what was asked for was done."""
    FAILED = "failed"
    """It was answered by an error, or the connection broke before an answer came."""
    REFUSED = "refused"
    """It was turned away before any work was done: nobody listens, no room, a limit, a breaker."""
    TIMED_OUT = "timed_out"
    """The caller stopped waiting at its deadline; whether the work is done it does not know."""
    CANCELLED = "cancelled"
    """The caller wanted no answer any more, such as when another copy of the call had won."""


@dataclass(frozen=True, slots=True)
class Queries:
    """What an answer cost at the database.

    Parameters
    ----------
    made : int
        How many queries were made.
    in_series : int
        How many of them had to wait for one another: those that were asked together count as one.
        A simulation charges time for these.
    """

    made: int = 0
    in_series: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.in_series <= self.made:
            raise ValueError(
                f"in_series must be from 0 to made ({self.made}), got {self.in_series!r}"
            )


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller asks for.

    Parameters
    ----------
    method : str
        GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.
    target : str
        Path, and the query after a ``?``.
    body : bytes
    headers : mapping of str to str
        By names in lower case.
    deadline : float, optional
        The instant (s, on the clock of whoever calls and answers) after which no answer is of use.
    """

    method: str = "GET"
    target: str = "/"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    deadline: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("method", self.method), ("target", self.target)):
            if not isinstance(value, str):
                raise TypeError(f"{name} must be text, got {type(value).__name__}: {value!r}")
        object.__setattr__(self, "headers", _checked(self.headers, self.body))


@dataclass(frozen=True, slots=True)
class Reply:
    """What a caller gets to know.

    Parameters
    ----------
    outcome : Outcome
    status : int, optional
        The HTTP status, where a service answered at all.
    body : bytes
    headers : mapping of str to str
        By names in lower case.
    queries : Queries
        What the answer cost at the service's database.
    """

    outcome: Outcome = Outcome.OK
    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    queries: Queries = Queries()

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", _checked(self.headers, self.body))

    @property
    def ok(self) -> bool:
        """Whether what was asked for was done."""
        return self.outcome is Outcome.OK


def _checked(headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
    """Headers with their names in lower case, that nobody can change."""
    if not isinstance(body, bytes):
        raise TypeError(f"body must be bytes, got {type(body).__name__}: {body!r}")
    for name, value in headers.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TypeError(f"headers must map text to text, got {name!r}: {value!r}")
    return MappingProxyType({name.lower(): value for name, value in headers.items()})


@runtime_checkable
class Service(Protocol):
    """Answers requests: inside the program, in a simulation or behind a socket."""

    def handle(self, request: Request) -> Reply:
        """Answer one request; what goes wrong is in the reply, not raised."""
        ...
