"""W3C trace context: which trace a message or request belongs to, said in one header.

``traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01``: version, trace id, span id
and flags, in lower-case hexadecimal (W3C Recommendation "Trace Context", 2021). Whoever receives it
makes its spans in the same trace, beneath that span, and passes on the header with its own span.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Self

__all__ = ["HEADER", "TraceContext"]

HEADER = "traceparent"
"""The name of the header; that of a request may be written in any case."""

SAMPLED = 0b01
RANDOM = 0b10
"""The trace id is random in its last 56 bits (Trace Context, level 2)."""

_DIGITS = re.compile(r"[0-9a-f]+")
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_RANDOM_PARTS = 1 << 56


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span, as those it causes know it.

    Parameters
    ----------
    trace_id : str
        32 hexadecimal digits in lower case, not all of them zero.
    span_id : str
        16 of the same kind.
    flags : int
        Bits, 0 to 255: 1 says that the trace is sampled.
    """

    trace_id: str
    span_id: str
    flags: int = SAMPLED

    def __post_init__(self) -> None:
        for name, value, digits in (
            ("trace_id", self.trace_id, 32),
            ("span_id", self.span_id, 16),
        ):
            text = isinstance(value, str) and len(value) == digits
            if not text or _DIGITS.fullmatch(value) is None or value.count("0") == digits:
                raise ValueError(
                    f"{name} must be {digits} hexadecimal digits in lower case, not all of them "
                    f"zero, got {value!r}"
                )
        whole = isinstance(self.flags, int) and not isinstance(self.flags, bool)
        if not whole or not 0 <= self.flags <= 255:
            raise ValueError(f"flags must be a whole number from 0 to 255, got {self.flags!r}")

    def __str__(self) -> str:
        """The header, in version 00, with the flags that this version knows."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags & (SAMPLED | RANDOM):02x}"

    @classmethod
    def parse(cls, header: str) -> Self:
        """What a header says; ValueError if it breaks the rules.

        A version beyond 00 is read as far as 00 goes, and may say more after a dash; ``ff`` is
        none.
        """
        found = _TRACEPARENT.fullmatch(header) if isinstance(header, str) else None
        if found is None:
            raise ValueError(
                f"traceparent must be 2, 32, 16 and 2 hexadecimal digits in lower case with "
                f"dashes between them, got {header!r}"
            )
        version, trace_id, span_id, flags, more = found.groups()
        if version == "ff":
            raise ValueError(f"traceparent must not have the version ff, got {header!r}")
        if version == "00" and more is not None:
            raise ValueError(f"traceparent of version 00 ends with its flags, got {header!r}")
        return cls(trace_id, span_id, int(flags, 16))

    @classmethod
    def new(cls, sampled: bool = True) -> Self:
        """The root of a new trace, with random ids."""
        flags = RANDOM | SAMPLED if sampled else RANDOM
        return cls(_not_zero(secrets.token_bytes(16)), _not_zero(secrets.token_bytes(8)), flags)

    @classmethod
    def numbered(cls, seed: int, number: int) -> Self:
        """The root of the trace of message ``number`` in a run with this seed: always the same."""
        digest = blake2b(f"{seed}/{number}".encode(), digest_size=16).digest()
        trace_id = _not_zero(digest)
        return cls(trace_id, _numbered_span(trace_id, 0), RANDOM | SAMPLED)

    def child(self) -> Self:
        """A new span beneath this one, in the same trace; a retry is one, too."""
        return type(self)(self.trace_id, _not_zero(secrets.token_bytes(8)), self.flags)

    def numbered_child(self, number: int) -> Self:
        """The ``number``-th span that was made in this trace: always the same."""
        return type(self)(self.trace_id, _numbered_span(self.trace_id, number), self.flags)

    @property
    def sampled(self) -> bool:
        """Whether whoever began the trace keeps it."""
        return bool(self.flags & SAMPLED)

    def falls_within(self, share: float) -> bool:
        """Whether this trace is kept where ``share`` of all are, 0 to 1.

        The trace id decides, so that all services agree without asking each other: its last 56 bits
        are random (Trace Context, level 2; OpenTelemetry's consistent probability sampling).
        """
        return int(self.trace_id, 16) % _RANDOM_PARTS < share * _RANDOM_PARTS

    def put_into(self, headers: Mapping[str, Any]) -> dict[str, Any]:
        """These headers of a message or request, and the context in place of one they had."""
        others = {name: value for name, value in headers.items() if name.lower() != HEADER}
        return {**others, HEADER: str(self)}

    @classmethod
    def taken_from(cls, headers: Mapping[str, Any]) -> Self | None:
        """The context that headers of a message or request carry.

        None if there is none, or more than one, or it breaks the rules: then a new trace begins, as
        the recommendation demands, and the message is handled all the same.
        """
        found = [value for name, value in headers.items() if name.lower() == HEADER]
        if len(found) != 1:
            return None
        try:
            return cls.parse(found[0])
        except ValueError:
            return None


def _numbered_span(trace_id: str, number: int) -> str:
    """The id of the span that was made as the ``number``-th of a trace: always the same."""
    return _not_zero(blake2b(f"{trace_id}/{number}".encode(), digest_size=8).digest())


def _not_zero(digits: bytes) -> str:
    return digits.hex() if any(digits) else f"{1:0{2 * len(digits)}x}"
