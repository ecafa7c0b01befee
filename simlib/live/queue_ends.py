"""The two ends of one of the library's own queues: what sends into it, and what receives."""

from __future__ import annotations

from functools import partial

from ..queues import Empty, MessageQueue
from .target import PATIENCE, Sender, Taken, pack

__all__ = ["QueueReceiver", "sending"]


def sending(queue: MessageQueue) -> Sender:
    """Puts into a queue, and raises Full where there is no room."""

    def put(number: int, seconds: float) -> None:
        queue.put(pack(number, seconds), block=False)

    return put


class QueueReceiver:
    """Takes from a queue and acks there."""

    def __init__(self, queue: MessageQueue) -> None:
        self._queue = queue
        self._one = partial(queue.get, timeout=PATIENCE)

    def take(self, most: int) -> list[Taken]:
        if most == 1:
            try:
                messages = [self._one()]
            except Empty:
                return []
        else:
            messages = self._queue.get_many(most, True, PATIENCE)
        return [Taken(each, each.body, each.redelivered) for each in messages]

    def ack(self, taken: list[Taken]) -> None:
        if len(taken) == 1:
            self._queue.ack(taken[0].token)
        else:
            self._queue.ack_many([each.token for each in taken])
