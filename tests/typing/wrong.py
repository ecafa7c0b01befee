"""Mistakes that a type checker finds: one in each line that ends in a comment, and no other."""

from simlib import Erlang, Exponential, Outage, Uniform
from simlib.analysis import replicate
from simlib.queues import FileQueue, MemoryQueue
from simlib.scenarios import PointToPoint, SyncVsAsync

Exponential("1")  # text for a number
Exponential(rate=1.0)  # no such name
Exponential()  # nothing given
Erlang(2)  # not all given
Uniform(1.0, 2.0, 3.0)  # too much given
PointToPoint(messages="10")  # text for a number
PointToPoint(service="fast")  # no distribution
PointToPoint(polling="often")  # no distribution
PointToPoint(queue="disk")  # no such choice
PointToPoint(consumer=3)  # no such name
PointToPoint(messages=10).run(seed="1")  # text for a number
print(PointToPoint(messages=10).service.mean)  # not every distribution has one
SyncVsAsync(outages=3.0)  # no outages
Outage(start=1.0)  # not all given
Outage(of="disk", start=1.0)  # no such choice
replicate(PointToPoint)  # a class, and no scenario
MemoryQueue().put("order")  # text for bytes
FileQueue("orders", sync="alway")  # no such choice
