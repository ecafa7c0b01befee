"""A few messages across a real server, one of them with bad luck, as spans."""

from __future__ import annotations

import time

from ...tracing import Span
from .connection import Link
from .consumer import Consumer, Received
from .publisher import Publisher
from .scratch import scratch
from .spans import SpanRecorder

__all__ = ["traced"]


def traced(url: str, messages: int = 4, work: float = 0.01) -> list[Span]:
    """Publish some messages at once, work on them in turn, and note the spans of all.

    The consumer's first attempt at the second message fails.

    Parameters
    ----------
    url : str
        The server's.
    messages : int
        How many.
    work : float
        How long the work on each takes (s).
    """
    recorder, link = SpanRecorder(), Link(url=url)
    left = {"1"}

    def worked(message: Received) -> None:
        time.sleep(work)
        body = message.body.decode()
        if body in left:
            left.remove(body)
            raise RuntimeError("out of luck")

    with scratch(url) as (_, queue):
        with Publisher(queue, link, recorder) as publisher:
            for number in range(messages):
                publisher.publish(str(number).encode())
        with Consumer(queue, link=link, spans=recorder) as consumer:
            consumer.run(worked, idle=0.5)
        return recorder.spans
