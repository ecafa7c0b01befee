"""RabbitMQ as one uses it in earnest: what the tutorial's code leaves out, with what that costs."""
from .connection import GaveUpError, Link
from .consumer import Consumer, Doubles, Outcome, Received, Seen
from .line import Line
from .publisher import Fate, Publisher
from .spans import SpanRecorder, joined
from .topology import Subscription, Topic, WorkQueue, delete
