"""RabbitMQ as one uses it in earnest, and what the tutorial's code costs in its place.

- :mod:`~simlib.live.rabbit.topology`: what publishers and consumers agree on
- :mod:`~simlib.live.rabbit.publisher`, :mod:`~simlib.live.rabbit.window`: confirms, one by one or
  many at once, and what becomes of a message whose connection is lost
- :mod:`~simlib.live.rabbit.consumer`: acks after the work, doubles dropped, heartbeats answered
- :mod:`~simlib.live.rabbit.spans`: the trace of a message across the server
- :mod:`~simlib.live.rabbit.line`, :mod:`~simlib.live.rabbit.private`: a line to be cut, a server to
  be killed
- :mod:`~simlib.live.rabbit.flaws`, :mod:`~simlib.live.rabbit.rates`,
  :mod:`~simlib.live.rabbit.record`: what was lost, how fast it is, and the record of both

Needs the package pika, which is imported when a server is first asked.
"""

from .connection import GaveUpError, Link
from .consumer import Consumer, Doubles, Outcome, Received, Seen
from .line import Line
from .publisher import Fate, Publisher
from .spans import SpanRecorder, joined
from .topology import Subscription, Topic, WorkQueue, delete
from .window import WindowPublisher

__all__ = [
    "Consumer",
    "Doubles",
    "Fate",
    "GaveUpError",
    "Line",
    "Link",
    "Outcome",
    "Publisher",
    "Received",
    "Seen",
    "SpanRecorder",
    "Subscription",
    "Topic",
    "WindowPublisher",
    "WorkQueue",
    "delete",
    "joined",
]
