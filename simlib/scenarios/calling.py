"""What is a call made of, and how does it fail?"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import ClassVar

import numpy as np

from .. import resilience
from ..analysis.metrics import Metric
from ..analysis.result import Result
from ..distributions import Arrivals, Durations, Exponential
from ..processes import Draws, Environment, Faults, Record
from ..processes.calls.client import Client, Policies
from ..processes.calls.connections import Cold, Connections
from ..processes.calls.fates import Fates
from ..processes.calls.server import Late, Server
from ..processes.draws import uniforms
from ..processes.faults import NO_FAULTS
from ..tracing import Parties
from .base import OpenScenario, Progress, parameter
from .callers import CALLER, seen_by_callers
from .calls_seen import CALLS, FATES, seen, settle

__all__ = ["Calling"]


class Calling(OpenScenario):
    """Calls over a network: a pool of connections, their set-up, bytes, a backlog and workers.

    latency = rtt·(1 + handshakes if cold) + wait for a connection + bytes/bandwidth + wait for a
    worker + work. A call that has waited for ``timeout`` closes its connection; what becomes of its
    work says ``late``. In the result there is a row per call: ``enqueued`` is when it was made,
    ``connected`` when it got a connection, ``arrived`` when the service had it, ``answered`` when
    its caller had the reply. Every call is accounted for, or the run raises: attempts = answered +
    failed + late + rejected + skipped + cancelled + under way.
    """

    faults: ClassVar = {"service": ("crash", "hang", "slow")}
    figures: ClassVar[Mapping[str, Metric]] = {
        **CALLER,
        **CALLS,
        **FATES,
        "set_up": Metric("connections that were set up", ""),
    }

    interarrival: Arrivals = parameter(
        Exponential(mean=0.0025), "time between one call and the next", unit="s"
    )
    service: Durations = parameter(Exponential(mean=0.01), "work that a call brings", unit="s")
    rtt: float = parameter(5e-4, "time to the service and back", unit="s", ge=0)
    cold: Cold = parameter(
        "first", "whether a connection is set up for no call, its first, or each"
    )
    handshakes: int = parameter(
        2, "round trips that it takes to set up a connection", step=1, ge=0, le=10
    )
    bandwidth: float = parameter(1.25e8, "bytes per second in each direction", unit="B/s", gt=0)
    up: int = parameter(300, "size of a request", unit="B", ge=0)
    down: int = parameter(600, "size of a reply", unit="B", ge=0)
    connections: int = parameter(16, "connections in the pool", step=1, ge=1, le=10_000)
    checkout_timeout: float | None = parameter(
        None, "how long a call waits for a connection; none: as long as it takes", unit="s", gt=0
    )
    workers: int = parameter(8, "calls that the service works on at once", step=1, ge=1, le=10_000)
    backlog: int | None = parameter(
        128,
        "the most calls that may wait for a worker; none: no bound",
        unit="messages",
        step=1,
        ge=0,
    )
    timeout: float | None = parameter(
        1.0, "how long a caller waits; none: as long as it takes", unit="s", gt=0
    )
    late: Late = parameter("done", "what becomes of work whose caller has left")

    @property
    def servers(self) -> int:
        """How many calls can be worked on at once: one per worker."""
        return self.workers

    @property
    def parties(self) -> Parties:
        return Parties(sender="client", worker="service", calls=True)

    @property
    def places(self) -> int | None:
        return self.backlog

    @property
    def offered_load(self) -> float:
        """``load``, or what arrives per connection, if that is more."""
        held = self.rtt + (self.up + self.down) / self.bandwidth + self.service.average
        if self.cold == "each":
            held += self.rtt * self.handshakes
        return max(self.load, self.arrival_rate * held / self.connections)

    def doubted(self) -> list[str]:
        """What in the parameters makes no sense together."""
        least = self.rtt + (self.up + self.down) / self.bandwidth
        if self.timeout is not None and self.timeout < least:
            return [
                f"a timeout of {self.timeout:g} s is below the {least:g} s that a call is under "
                "way there and back: no answer can be in time"
            ]
        return []

    def _simulate(self, env: Environment, progress: Progress | None) -> Result:
        record, fates = Record("connected", "arrived", "answered"), Fates()
        pool = Connections(
            env,
            record,
            fates,
            connections=self.connections,
            checkout_timeout=self.checkout_timeout,
            setup=self.rtt * self.handshakes,
            cold=self.cold,
            there=self.rtt / 2 + self.up / self.bandwidth,
            back=self.rtt / 2 + self.down / self.bandwidth,
        )
        pool.server = server = Server(
            env,
            record,
            fates,
            Draws(self.service, env.stream("service")),
            workers=self.workers,
            bound=self.backlog,
            skip_below=0.0 if self.late == "skipped" else None,
            faults=Faults(self.outages, env, "outage") if self.outages else NO_FAULTS,
            answer=pool.answer,
            refuse=pool.refuse,
        )
        policies = Policies(
            timeout=inf if self.timeout is None else self.timeout,
            retry=resilience.Retry(1),
            withdraws=self.late == "cancelled",
        )
        draws = uniforms(env, "backoff")
        client = Client(env, record, fates, self.interarrival, policies, pool, draws, self.messages)
        self.execute(env, progress)
        here = pool.under_way() + server.under_way()
        ledger = settle(record, fates, client, here)
        times = np.array(record.extra["answered"]) - np.array(record.created)
        figures = seen(record, fates, ledger, len(here)) | {"set_up": pool.set_up}
        return self.result(
            env, record, ledger, figures=figures | seen_by_callers(times[self.warmup :])
        )
