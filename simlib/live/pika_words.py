"""Between pika's words and ours: connections, messages and errors. Imports pika late."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from simlib.broker.errors import (
    AccessRefusedError,
    BrokerError,
    ChannelClosedError,
    NotFoundError,
    PreconditionFailedError,
    ResourceLockedError,
)
from simlib.broker.messages import Delivery, Properties, Returned
from simlib.broker.options import check_name

from .address import HOW_TO_GET, shown

__all__ = [
    "CLOSED",
    "connect",
    "milliseconds",
    "no_answer",
    "our_delivery",
    "our_error",
    "our_returned",
    "pika_exceptions",
    "pika_itself",
    "pika_parameters",
    "their_properties",
    "their_table",
]

ERRORS: dict[int, type[BrokerError]] = {
    error.code: error
    for error in (
        AccessRefusedError,
        NotFoundError,
        PreconditionFailedError,
        ResourceLockedError,
    )
}

CLOSED = "the channel is closed; open another one with channel()"


def pika_itself() -> Any:
    """The package; ImportError names the extra that brings it."""
    try:
        import pika
    except ImportError:
        raise ImportError(
            "talking to RabbitMQ needs the package pika: pip install 'simlib[live]'"
        ) from None
    return pika


def pika_exceptions() -> Any:
    """pika's errors."""
    return pika_itself().exceptions


def pika_parameters(url: str) -> Any:
    """What pika connects by; ValueError for a query that it doesn't know."""
    try:
        return pika_itself().URLParameters(url)
    except ImportError:
        raise
    except Exception as error:  # Of many kinds: it reads the query by Python's own eval.
        raise ValueError(f"the query of the url for {shown(url)} can't be read: {error}") from None


def connect(url: str, parameters: Any = None) -> Any:
    """A connection; ConnectionError when no server answers.

    Parameters
    ----------
    url : str
        From :func:`simlib.live.address.address`.
    parameters : pika.ConnectionParameters, optional
        With heartbeats and bounds. Without, there are no heartbeats: nobody reads from the
        connection while a learner reads the page.
    """
    pika = pika_itself()
    if parameters is None:
        parameters = pika_parameters(url)
        parameters.heartbeat = 0
    try:
        return pika.BlockingConnection(parameters)
    # ValueError: the server was gone as soon as it had accepted, and the socket has no peer.
    except (pika.exceptions.AMQPConnectionError, ValueError) as error:
        raise ConnectionError(no_answer(url, error)) from None


def no_answer(url: str, error: object) -> str:
    """What to say where no server answers."""
    return f"no RabbitMQ answers at {shown(url)} ({type(error).__name__}). {HOW_TO_GET}"


def milliseconds(seconds: float) -> int:
    """What AMQP counts time in."""
    return round(seconds * 1000)


def their_properties(headers: Mapping[str, Any] | None, properties: Properties) -> Any:
    """A message's properties as pika sends them."""
    expiration = properties.expiration
    return pika_itself().BasicProperties(
        headers=their_table(headers),
        priority=properties.priority or None,
        delivery_mode=2 if properties.persistent else 1,
        expiration=None if expiration is None else str(milliseconds(expiration)),
        reply_to=properties.reply_to,
        correlation_id=properties.correlation_id,
    )


def their_table(table: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Headers or arguments as pika can send them; TypeError or ValueError for what it can't."""
    return None if table is None else {name: _sendable(name, table[name]) for name in table}


def _sendable(name: str, value: Any) -> Any:
    check_name("a header's name", name)
    if isinstance(value, Mapping):
        return their_table(value)
    if isinstance(value, list | tuple):
        return [_sendable(name, each) for each in value]
    if isinstance(value, float):
        raise TypeError(
            f"pika can't send a header with a fraction, got {name}={value!r}; send it as text"
        )
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"a header's number must have at most 64 bits, got {name}={value!r}")
    return value


def our_delivery(method: Any, properties: Any, body: bytes) -> Delivery:
    """A delivery as pika hands it over."""
    headers = _plain(properties.headers or {})
    returns = headers.pop("x-delivery-count", int(method.redelivered))
    expiration = properties.expiration
    return Delivery(
        method.delivery_tag,
        method.exchange,
        method.routing_key,
        method.redelivered,
        body,
        headers,
        priority=properties.priority or 0,
        persistent=properties.delivery_mode == 2,
        expiration=None if expiration is None else int(expiration) / 1000,
        reply_to=properties.reply_to,
        correlation_id=properties.correlation_id,
        attempts=returns + 1,
        consumer_tag=getattr(method, "consumer_tag", ""),
    )


def our_returned(method: Any, properties: Any, body: bytes) -> Returned:
    """A returned message as pika hands it over."""
    return Returned(method.exchange, method.routing_key, body, _plain(properties.headers or {}))


def _plain(value: Any) -> Any:
    """A header as JSON has it: pika has integers of its own, and instants."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return int(value.timestamp())
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def our_error(error: Any) -> BrokerError:
    """The error that stands for AMQP's reply code."""
    code = getattr(error, "reply_code", ChannelClosedError.code)
    if code not in ERRORS:
        return ChannelClosedError(CLOSED)
    return ERRORS[code](str(error.reply_text).split(" - ", 1)[-1])
