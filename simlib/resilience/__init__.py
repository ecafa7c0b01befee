"""Policies on a clock: they are told the time and the draw, decide, and wait for nothing.

The same object serves a simulation, a thread pool, an asyncio program and a test. ``now`` is in
seconds on any clock that doesn't go back; a draw is uniform in [0, 1). What is a value (``Retry``
and its waits, ``Deadline``, ``Hedge``, most routings) never changes; the others are shared by all
calls that they are to bound, and by any threads: each method is atomic, and no lock is held while
a call is under way. Nothing here is needed but Python.

One call under a deadline, a breaker, a budget and a retry. Who writes it for a thread sleeps where
this example only adds to ``now``:

>>> breaker = CircuitBreaker(rate=0.5, window=100, minimum=10, open_for=5.0, probes=10)
>>> budget, retry = RetryBudget(ratio=0.2), Retry(3, FullJitter(base=0.1, most=10.0))
>>> def call(service, now, deadline, draw):
...     budget.earn()
...     for attempt in range(1, retry.attempts + 1):
...         if (ticket := breaker.allow(now)) is None:
...             return "refused"
...         ok = service(attempt)
...         breaker.record(ticket, now, ok)
...         pause = None if ok else retry.pause(attempt, draw)
...         if pause is None or not deadline.allows(now + pause) or not budget.take():
...             return "answered" if ok else "gave up"
...         now += pause
>>> call(lambda attempt: attempt == 2, now=0.0, deadline=Deadline(1.0), draw=0.5)
'answered'

Which goes around which: the deadline around all, then the retry with its budget, then for each
attempt the hedge, the breaker, the bulkhead or the limit. So a breaker sees attempts, not calls,
and who is refused by the breaker takes no place. On the side of the service: the token bucket,
then the queue, then, when a request is taken from it, its deadline.

- :mod:`~simlib.resilience.deadline`: when an answer is of no use any more
- :mod:`~simlib.resilience.retry`: whether and when to try again
- :mod:`~simlib.resilience.budget`: how many retries in all
- :mod:`~simlib.resilience.breaker`: whether what keeps failing is called at all
- :mod:`~simlib.resilience.bulkhead`: how many calls at once, and who waits for a place
- :mod:`~simlib.resilience.hedge`: a second copy of what takes long
- :mod:`~simlib.resilience.limits`: how many calls at once, learnt from how they end
- :mod:`~simlib.resilience.shedding`: how many requests in a while
- :mod:`~simlib.resilience.queueing`: who is served next, and who isn't
- :mod:`~simlib.resilience.routing`: which replica a call goes to
"""

from .breaker import BreakerState, CircuitBreaker, Ticket
from .budget import RetryBudget
from .bulkhead import Bulkhead, Visit
from .deadline import Deadline
from .hedge import Hedge
from .limits import AIMDLimit, GradientLimit
from .queueing import AdaptiveLIFO, BoundedQueue, CoDel, Overflow, Put, RequestCoDel, Taken
from .retry import DecorrelatedJitter, EqualJitter, Exponential, Fixed, FullJitter, Retry, Wait
from .routing import LeastConnections, Random, RoundRobin, Routing, TwoChoices
from .shedding import TokenBucket

__all__ = [
    "AIMDLimit",
    "AdaptiveLIFO",
    "BoundedQueue",
    "BreakerState",
    "Bulkhead",
    "CircuitBreaker",
    "CoDel",
    "Deadline",
    "DecorrelatedJitter",
    "EqualJitter",
    "Exponential",
    "Fixed",
    "FullJitter",
    "GradientLimit",
    "Hedge",
    "LeastConnections",
    "Overflow",
    "Put",
    "Random",
    "RequestCoDel",
    "Retry",
    "RetryBudget",
    "RoundRobin",
    "Routing",
    "Taken",
    "Ticket",
    "TokenBucket",
    "TwoChoices",
    "Visit",
    "Wait",
]
