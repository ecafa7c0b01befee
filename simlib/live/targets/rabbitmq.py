"""A RabbitMQ server as a target: durable, persistent, confirmed, acked by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Full
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from ..pika_words import connect, pika_exceptions
from ..target import PATIENCE, Receiver, Sender, Taken, Target, pack

__all__ = ["Broker", "delete_left"]

EXPIRES = 600.0
"""Seconds after which the server itself deletes a queue of ours that nobody uses any more."""
NOTE = "rabbitmq-queue"
"""The file in a run's directory that says what its queue is called, and on which server."""


@dataclass(frozen=True, kw_only=True)
class Broker(Target):
    """A durable queue in a RabbitMQ server.

    Messages are persistent, each publish waits for its confirm, and acks are the consumer's.

    Parameters
    ----------
    prefetch : int
        The most messages that the server pushes to a consumer ahead of its acks.
    url : str
        Where the server is, and who asks.
    apart : bool
        Whether each consumer is a process of its own; else they are threads of one.
    """

    prefetch: int = 20
    url: str = "amqp://guest:guest@127.0.0.1:5672/%2F"
    apart: bool = False

    @property
    def name(self) -> str:
        return f"rabbitmq, prefetch {self.prefetch}" + (", processes" if self.apart else "")

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def processes(self) -> bool:
        return self.apart

    def obstacle(self) -> str | None:
        if not 1 <= self.prefetch <= 65_535:
            return f"prefetch must be from 1 to 65,535 messages, got {self.prefetch}"
        return None

    @contextmanager
    def made(self, directory: Path, maxsize: int) -> Iterator[str]:
        name = f"simlib.live.{uuid4().hex}"
        connection = connect(self.url)
        try:
            channel = connection.channel()
            # Only its owner can read the directory.
            (directory / NOTE).write_text(f"{name}\n{self.url}", encoding="utf-8")
            arguments: dict[str, Any] = {"x-expires": round(1000 * EXPIRES)}
            if maxsize:
                arguments |= {"x-max-length": maxsize, "x-overflow": "reject-publish"}
            channel.queue_declare(name, durable=True, arguments=arguments)
            try:
                yield name
            finally:
                with suppress(pika_exceptions().AMQPError):
                    connection.channel().queue_delete(name)
        finally:
            with suppress(pika_exceptions().AMQPError):
                connection.close()

    @contextmanager
    def opened(self, where: str, maxsize: int) -> Iterator[str]:
        yield where  # Threads share nothing: each has a connection of its own.

    @contextmanager
    def sender(self, shared: str) -> Iterator[Sender]:
        import pika

        connection = connect(self.url)
        channel = connection.channel()
        channel.confirm_delivery()

        def publish(number: int, seconds: float) -> None:
            persistent = pika.BasicProperties(delivery_mode=2, message_id=str(number))
            try:
                channel.basic_publish("", shared, pack(number, seconds), persistent, mandatory=True)
            except pika.exceptions.NackError:
                raise Full from None

        try:
            yield publish
        finally:
            with suppress(pika.exceptions.AMQPError):
                connection.close()

    @contextmanager
    def receiver(self, shared: str) -> Iterator[Receiver]:
        connection = connect(self.url)
        try:
            yield _Consumer(connection.channel(), shared, self.prefetch)
        finally:
            with suppress(pika_exceptions().AMQPError):
                connection.close()


def delete_left(directory: Path) -> None:
    """Delete the queue of a run that was killed, as its directory says; none: there was none."""
    note = directory / NOTE
    if not note.is_file():
        return
    name, url = note.read_text(encoding="utf-8").splitlines()
    connection = connect(url)
    connection.channel().queue_delete(name)
    connection.close()


class _Consumer:
    """Takes what the server pushes, and acks all up to the last at once."""

    def __init__(self, channel: Any, queue: str, prefetch: int) -> None:
        self._channel = channel
        channel.basic_qos(prefetch_count=prefetch)
        self._pushed = channel.consume(queue, inactivity_timeout=PATIENCE)

    def take(self, most: int) -> list[Taken]:
        taken: list[Taken] = []
        while len(taken) < most:
            if taken and not self._channel.get_waiting_message_count():
                break
            method, _, body = next(self._pushed)
            if method is None:
                break
            taken.append(Taken(method.delivery_tag, body, method.redelivered))
        return taken

    def ack(self, taken: list[Taken]) -> None:
        self._channel.basic_ack(taken[-1].token, multiple=len(taken) > 1)
