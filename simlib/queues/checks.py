"""What an argument of a queue must be: a check raises TypeError or ValueError, with what it got."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import inf, isfinite
from typing import Any, get_args

from .message import Message, Sync

__all__ = [
    "DEEPEST",
    "check_body",
    "check_bounds",
    "check_message",
    "check_messages",
    "check_most",
    "check_options",
    "check_sync",
    "check_timeout",
    "encode_headers",
]


def check_bounds(maxsize: int, lease: float | None) -> None:
    """Raise TypeError or ValueError unless a queue can be so bounded."""
    if isinstance(maxsize, bool) or not isinstance(maxsize, int):
        raise TypeError(f"maxsize must be a whole number of messages, got {maxsize!r}")
    if lease is not None and not (_is_number(lease) and 0 < lease < inf):
        raise ValueError(f"lease must be > 0 seconds or None, got {lease!r}")


def check_body(body: object) -> bytes:
    """``body``, or TypeError unless it is bytes."""
    if isinstance(body, bytes):
        return body
    raise TypeError(
        f"body must be bytes, got {type(body).__name__} {repr(body)[:80]}; "
        "encode text with .encode() and structures with json.dumps(...).encode()"
    )


def check_most(most: int) -> None:
    """Raise ValueError unless ``most`` is a number of messages that ``get_many`` takes."""
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise ValueError(f"most must be a whole number >= 1, got {most!r}")


def check_message(message: object) -> None:
    """Raise TypeError unless this is a message as ``get`` hands it out."""
    if not isinstance(message, Message):
        raise TypeError(
            "what is acked or nacked must be a Message as get returned it, got "
            f"{type(message).__name__} {repr(message)[:80]}"
        )


def check_messages(messages: Iterable[Message]) -> list[Message]:
    """The messages that ``ack_many`` is given, or TypeError if it is given something else."""
    if isinstance(messages, Message) or not isinstance(messages, Iterable):
        raise TypeError(
            "ack_many takes several messages, such as a list of them, got "
            f"{type(messages).__name__} {repr(messages)[:80]}"
        )
    messages = list(messages)
    for message in messages:
        check_message(message)
    return messages


def check_options(priority: int, delay: float) -> None:
    """Raise TypeError or ValueError unless priority and delay are what ``put`` takes."""
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise TypeError(f"priority must be a whole number, got {priority!r}")
    if not abs(priority) < 2**63 - 1:  # Its negative must be a number of 64 bits, too.
        raise ValueError(f"priority must be within ±(2**63 - 2), got {priority!r}")
    if not _is_number(delay) or not (isfinite(delay) and delay >= 0):
        raise ValueError(f"delay must be >= 0 seconds, got {delay!r}")


def check_sync(sync: str, batch_size: int, batch_time: float | None) -> None:
    """Raise ValueError unless these say when a put is on disk."""
    if sync not in get_args(Sync):
        raise ValueError(f"sync must be one of {get_args(Sync)}, got {sync!r}")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of messages >= 1, got {batch_size!r}")
    if batch_time is not None and not (
        _is_number(batch_time) and isfinite(batch_time) and batch_time > 0
    ):
        raise ValueError(f"batch_time must be > 0 seconds or None, got {batch_time!r}")


def check_timeout(timeout: float | None) -> None:
    """Raise ValueError unless ``timeout`` is None or not negative, as the standard library does."""
    if timeout is not None and not (_is_number(timeout) and timeout >= 0):
        raise ValueError(f"timeout must be >= 0 seconds or None, got {timeout!r}")


DEEPEST = 100
"""Levels of headers: what reads them calls itself at each, from wherever a consumer stands."""

# Made once: json.dumps makes an encoder for every call that wants it this way.
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def encode_headers(headers: Mapping[str, Any]) -> str:
    """The headers as JSON text; TypeError or ValueError unless they are a JSON object."""
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a mapping with string keys, got {repr(headers)[:80]}")
    headers = dict(headers)
    _check_nested(headers, 1)
    try:
        return _encode(headers)
    except (TypeError, ValueError) as error:
        raise type(error)(f"headers must hold JSON values only: {error}") from None


def _check_nested(value: object, level: int) -> None:
    """Refuse what JSON would change without a word, and what can't be read in a deep stack."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(
                    f"headers must be a mapping with string keys, got the key {repr(key)[:80]}"
                )
        inner: Iterable[object] = value.values()
    elif isinstance(value, list | tuple):
        inner = value
    else:
        return
    if level > DEEPEST:
        raise ValueError(f"headers must be at most {DEEPEST} levels deep")
    for each in inner:
        if type(each) is not str:
            _check_nested(each, level + 1)


def _is_number(value: object) -> bool:
    """Whether this is a number that a float can tell."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        float(value)
    except OverflowError:
        return False
    return True
