"""It was down for ten seconds: why doesn't it come back?"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from .. import resilience
from ..analysis.metrics import Metric
from ..analysis.result import Result
from ..distributions import Arrivals, Durations, DurationsOrNone, Exponential
from ..processes import Draws, Environment, Faults, Record
from ..processes.calls.attempt import Attempt
from ..processes.calls.client import Client, Policies
from ..processes.calls.fates import Fates
from ..processes.calls.replicas import Replicas
from ..processes.calls.server import Late, Server
from ..processes.calls.waiting import Order
from ..processes.draws import happens, uniforms
from ..processes.faults import NO_FAULTS
from ..tracing import Parties
from ..values import Value
from .base import OpenScenario, Progress, parameter
from .calls_seen import CALLS, FATES, seen, settle

__all__ = ["Backoff", "Overload"]

ROUTINGS: Mapping[str, type[resilience.Routing]] = {
    "random": resilience.Random,
    "round robin": resilience.RoundRobin,
    "least": resilience.LeastConnections,
    "two choices": resilience.TwoChoices,
}
"""Who chooses a replica, by name."""

BREAKS_AT = 0.5
"""The failed share of the last 100 at which the breaker opens."""


class Backoff(Value):
    """A pause before each retry, twice as long each time.

    ``jitter`` says what chance makes of it: nothing; anything up to it ("full"); half of it and
    anything up to the other half ("equal"); or anything up to thrice the pause before.
    """

    base: float = parameter(0.1, "the first pause", unit="s", ge=0)
    most: float = parameter(10.0, "the longest pause", unit="s", ge=0)
    jitter: Literal["none", "full", "equal", "decorrelated"] = Field(
        default="full", description="how chance spreads the pauses"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.most < self.base:
            raise ValueError(f"most must be >= base, {self.base:g} s, got {self.most:g}")
        return self

    @property
    def wait(self) -> resilience.Wait:
        """The policy itself."""
        if self.jitter == "full":
            return resilience.FullJitter(self.base, self.most)
        if self.jitter == "equal":
            return resilience.EqualJitter(self.base, self.most)
        if self.jitter == "decorrelated":
            return resilience.DecorrelatedJitter(self.base, self.most)
        return resilience.Exponential(self.base, self.most)


class Overload(OpenScenario):
    """Clients call a service, wait for a while, and try again: with whatever keeps that in bounds.

    A call is answered in time if one of its attempts is answered before its caller stops waiting
    for that attempt. A retry brings the work that its call brings, unless ``new_work`` says
    otherwise. In the result there is a row per call: ``enqueued`` is when it was first sent,
    ``started`` and ``finished`` are about the attempt that was answered; ``result.attempts`` has
    the others, too. Every attempt is accounted for, or the run raises:
    attempts = answered + failed + late + rejected + skipped + cancelled + under way.

    What fails is the service: a crash loses what is in it and refuses calls until it is over (a
    crash of 0 s is a restart), a hang stops it for a while, and it may be slow.
    """

    faults: ClassVar = {"service": ("crash", "hang", "slow")}
    hints: ClassVar = {
        "outage": "write outages=(Outage(of='service', kind='hang', start=20.0, duration=10.0),)",
    }
    figures: ClassVar[Mapping[str, Metric]] = CALLS | FATES

    interarrival: Arrivals = parameter(
        Exponential(mean=1 / 280), "time between one call and the next", unit="s"
    )
    service: Durations = parameter(Exponential(mean=0.1), "work that a call brings", unit="s")
    workers: int = parameter(
        30, "calls that each replica works on at once", step=1, ge=1, le=10_000
    )
    replicas: int = parameter(1, "how many services there are", step=1, ge=1, le=1000)
    routing: Literal["random", "round robin", "least", "two choices"] = parameter(
        "random", "which replica an attempt goes to"
    )
    timeout: float | None = parameter(
        1.0, "how long a caller waits for each attempt; none: as long as it takes", unit="s", gt=0
    )
    deadline: float | None = parameter(
        None, "how long a caller waits in all, retries included", unit="s", gt=0
    )
    retries: int = parameter(3, "how many times a call is tried again", step=1, ge=0, le=10)
    backoff: Backoff | None = parameter(None, "the pause before a retry; none: at once")
    budget: float | None = parameter(
        None, "retries that each call earns for all; none: any number", step=0.05, ge=0, le=10
    )
    breaker: float | None = parameter(
        None,
        "how long a breaker is open once half of 100 attempts have failed; none: no breaker",
        unit="s",
        gt=0,
    )
    limit: Literal["aimd", "gradient"] | None = parameter(
        None, "what learns how many attempts may be under way at once"
    )
    rate_limit: float | None = parameter(
        None,
        "attempts per second that each replica lets in, with bursts of a second's",
        unit="1/s",
        gt=0,
    )
    bound: int | None = parameter(
        None,
        "the most attempts that may wait for a worker; none: no bound",
        unit="messages",
        step=1,
        ge=0,
    )
    order: Order = parameter("fifo", "who is served next")
    late: Late = parameter("done", "what becomes of work whose caller has left")
    skip_below: float | None = parameter(
        None, "who has less time than that left is skipped", unit="s", ge=0
    )
    patience: DurationsOrNone = parameter(
        None, "how long an attempt waits for a worker before its caller leaves", unit="s"
    )
    hedge_after: float | None = parameter(
        None, "when a copy is sent to another replica; none: never", unit="s", ge=0
    )
    cancel: bool = parameter(True, "whether the copy that lost is called off")
    failing: float = parameter(0.0, "probability that an answer is an error", ge=0, lt=1)
    new_work: bool = parameter(False, "whether each attempt brings new work")

    @property
    def servers(self) -> int:
        """How many calls can be worked on at once: one per worker."""
        return self.workers * self.replicas

    @property
    def parties(self) -> Parties:
        return Parties(sender="client", worker="service", calls=True)

    @property
    def places(self) -> int | None:
        return self.bound

    def doubted(self) -> list[str]:
        """What in the policies makes no sense together."""
        said = []
        spare = 1 / self.load - 1 if self.load else inf
        if self.retries and self.budget is not None and self.budget > max(0.0, spare):
            said.append(
                f"a retry budget of {self.budget:.0%} is above the {max(0.0, spare):.0%} that "
                f"capacity bears at a load of {self.load:.3g}: an overload may last for ever"
            )
        if self.hedge_after is not None and not self.cancel and self.load >= 0.5:
            said.append(
                f"hedges that are not cancelled at a load of {self.load:.3g}: only below one half "
                "is it sure that the service bears them"
            )
        if self.timeout is not None and self.timeout < self.service.average:
            said.append(
                f"a timeout of {self.timeout:g} s is below the mean work of "
                f"{self.service.average:g} s: most answers come too late"
            )
        return said

    def _policies(self) -> Policies:
        wait = resilience.Fixed() if self.backoff is None else self.backoff.wait
        limit: resilience.AIMDLimit | resilience.GradientLimit | None = None
        if self.limit is not None:
            limit = resilience.GradientLimit()
            if self.limit == "aimd":
                limit = resilience.AIMDLimit(least=20)
        budget = None if self.budget is None else resilience.RetryBudget(self.budget)
        breaker, hedge = None, None
        if self.breaker is not None:
            breaker = resilience.CircuitBreaker(BREAKS_AT, 100, 100, self.breaker, 10)
        if self.hedge_after is not None:
            hedge = resilience.Hedge(self.hedge_after, budget=budget)
        return Policies(
            timeout=inf if self.timeout is None else self.timeout,
            within=inf if self.deadline is None else self.deadline,
            retry=resilience.Retry(self.retries + 1, wait),
            budget=budget,
            breaker=breaker,
            limit=limit,
            hedge=hedge,
            withdraws=self.late == "cancelled",
            cancels=self.cancel,
            new_work=self.new_work,
        )

    def _servers(self, env: Environment, record: Record, fates: Fates) -> list[Server]:
        work = Draws(self.service, env.stream("service"))
        faults = Faults(self.outages, env, "outage") if self.outages else NO_FAULTS
        skip_below = self.skip_below
        if skip_below is None and self.late == "skipped":
            skip_below = 0.0
        rate = self.rate_limit
        patience, failing = None, happens(env, "failing", self.failing)
        if self.patience is not None:
            patience = Draws(self.patience, env.stream("patience"))
        return [
            Server(
                env,
                record,
                fates,
                work,
                workers=self.workers,
                bound=self.bound,
                order=self.order,
                skip_below=skip_below,
                patience=patience,
                bucket=None if rate is None else resilience.TokenBucket(rate, max(1.0, rate)),
                failing=failing,
                faults=faults,
                number=number,
            )
            for number in range(self.replicas)
        ]

    def _simulate(self, env: Environment, progress: Progress | None) -> Result:
        record, fates = Record(), Fates()
        servers = self._servers(env, record, fates)
        replicas = Replicas(servers, ROUTINGS[self.routing](), uniforms(env, "routing"))
        client = Client(
            env,
            record,
            fates,
            self.interarrival,
            self._policies(),
            replicas,
            uniforms(env, "backoff"),
            self.messages,
        )
        self.execute(env, progress)
        here: list[Attempt] = [attempt for each in servers for attempt in each.under_way()]
        ledger = settle(record, fates, client, here)
        return self.result(env, record, ledger, figures=seen(record, fates, ledger, len(here)))
