"""Why does this page take so long? Tasks in three styles of API, request by request."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np

from ..analysis.metrics import Metric
from ..analysis.result import Result
from ..calls.sample import MOST_LISTED
from ..calls.tasks import TASKS, Task, Traffic
from ..processes import Environment
from .base import parameter
from .calculated import Calculated

__all__ = ["ApiStyles"]


class ApiStyles(Calculated):
    """A page needs something of a shop, and asks for it in the style of its API.

    The requests are really sent to a service of ``simlib.calls``, and what it answers decides what
    is asked next. Simulated time is charged for each round, in which as many requests as there are
    connections are under way at once:

        t = handshakes · rtt, if a connection has to be opened
          + rtt + work + bytes / bandwidth + queries in series · query

    A row of the result is a request: ``created`` when the page wants it, ``enqueued`` at the same
    instant, ``started`` when it has a connection, ``finished`` when the round's replies are there.
    So ``wait`` is for a connection. Nothing is random, and all seeds give the same run.

    Left out: names looked up, slow start, packets lost, the handshake's own two kilobytes.
    """

    settles: ClassVar[bool] = False

    figures: ClassVar = {
        "page_time": Metric("until the page is there", "s"),
        "requests": Metric("requests made"),
        "rounds": Metric("rounds, one after another"),
        "bytes_up": Metric("bytes to the service"),
        "bytes_down": Metric("bytes from the service"),
        "queries": Metric("queries at the database"),
        "queries_in_series": Metric("queries in series"),
        "connections": Metric("connections opened"),
    }

    style: Literal["rpc", "rest", "graphql"] = parameter("rest", "the style of the API")
    task: Literal["order", "list", "create", "change", "poll"] = parameter(
        "list",
        "one order with its two names; the newest orders with theirs; one more; another status; "
        "sixty looks at the list, with one change between them",
    )
    orders: int = parameter(
        20, "orders on the list; a page of it has 100 at most", step=1, ge=1, le=MOST_LISTED
    )
    parallel: int = parameter(
        6, "connections, each with one request under way at a time", step=1, ge=1, le=100
    )
    batched: bool = parameter(
        True, "whether names are asked for together: by ?ids= in REST, by data loaders in GraphQL"
    )
    etags: bool = parameter(
        True,
        "whether REST goes by ETags: looks again only if changed, and changes what it has read "
        "(GET, then PUT); if not, it patches",
    )
    rtt: float = parameter(0.04, "time to the service and back", unit="s", step=0.01, ge=0)
    bandwidth: float = parameter(6.25e6, "bytes per second on the line", unit="B/s", gt=0)
    handshakes: int = parameter(
        0, "round trips to open a connection: TCP 1, TLS 1.3 one more; 0: all are open",
        step=1, ge=0, le=10,
    )  # fmt: skip
    work: float = parameter(0.001, "time that a round takes the service", unit="s", ge=0)
    query: float = parameter(0.001, "time that a query takes the database", unit="s", ge=0)

    @property
    def servers(self) -> int:
        """How many requests can be under way at once: one per connection."""
        return self.parallel

    def _calculate(self, env: Environment) -> Result:
        created: list[float] = []
        started: list[float] = []
        finished: list[float] = []
        now, opened, total = 0.0, 0, Traffic()
        for rounds in _asked(self._name, self.parallel, self.batched, self.orders):
            wanted = now
            for each in rounds:
                if each.requests > opened:
                    now, opened = now + self.handshakes * self.rtt, each.requests
                done = now + each.seconds(self.rtt, self.bandwidth, self.work, self.query)
                created += [wanted] * each.requests
                started += [now] * each.requests
                finished += [done] * each.requests
                now, total = done, total + each
        columns = {"created": created, "enqueued": created, "started": started}
        columns["finished"] = finished
        return self.calculated(
            env,
            {name: np.array(instants) for name, instants in columns.items()},
            figures={
                "page_time": now,
                "requests": total.requests,
                "rounds": total.rounds,
                "bytes_up": total.up,
                "bytes_down": total.down,
                "queries": total.queries.made,
                "queries_in_series": total.queries.in_series,
                "connections": opened,
            },
        )

    @property
    def _name(self) -> tuple[str, str]:
        """What the task is called in the table of tasks; the ways to list differ by ``batched``."""
        if self.style == "rpc":
            return self.task, "RPC"
        if self.style == "graphql":
            return self.task, "GraphQL batched" if self.task == "list" else "GraphQL"
        ways = {
            "list": "REST ?ids=" if self.batched else "REST in turn",
            "change": "REST GET, then PUT" if self.etags else "REST PATCH",
            "poll": "REST, ETag" if self.etags else "REST, no ETag",
        }
        return self.task, ways.get(self.task, "REST")


@lru_cache(maxsize=64)
def _asked(
    name: tuple[str, str], parallel: int, batched: bool, orders: int
) -> tuple[tuple[Traffic, ...], ...]:
    """Each time that the page asks, the rounds that this takes; the same whatever time costs."""
    talk = Task(TASKS[name].does, parallel, batched).done(orders)
    return tuple(map(tuple, talk.asked))
