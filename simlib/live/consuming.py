"""A consumer on the real thing: take, work, ack, and write down when."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .open_loop import clock
from .target import Receiver, Taken, unpack

__all__ = ["consume"]


def consume(
    receiver: Receiver,
    most: int,
    work: Callable[[float], object],
    note: Callable[[int, float, float, float, Taken], object],
    over: threading.Event,
) -> None:
    """Take messages until the run is over: what one thread does.

    Parameters
    ----------
    receiver : Receiver
        What it takes them from.
    most : int
        How many it takes at once; they take the time that the first of them needs.
    work : callable
        Does so much work (s).
    note : callable
        Called for each message, when it is acked: its number, when it was there, when the work was
        done, when the ack had returned, and the message.
    over : Event
        Set when there is to be an end.
    """
    while not over.is_set():
        taken = receiver.take(most)
        if not taken:
            continue
        started = clock()
        messages = [unpack(each.body) for each in taken]
        work(messages[0][1])
        finished = clock()
        receiver.ack(taken)
        acked = clock()
        for (number, _), each in zip(messages, taken, strict=True):
            note(number, started, finished, acked, each)
