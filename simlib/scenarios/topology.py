"""Exchanges, queues and those who consume them: any arrangement, written down as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from math import inf, nan
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from ..analysis.metrics import Metric
from ..analysis.result import Result
from ..broker import Broker
from ..distributions import Durations, Exponential
from ..processes import (
    BrokerNode,
    BrokerPublisher,
    Confirms,
    Draws,
    Environment,
    Faults,
    Mishaps,
    Record,
    Subscriber,
)
from ..processes.faults import faults_of_each
from ..processes.network import across
from ..processes.publish_subscribe.outages import fail
from ..tracing import Parties
from ..values import Value
from .base import Progress, PublishingScenario, parameter
from .copies_seen import COPIES, copies_seen

__all__ = ["Binding", "Exchange", "Group", "Queue", "Topology"]


class Exchange(Value):
    """Where messages are published, and what decides where they go."""

    name: str = parameter("events", "what it is called", min_length=1)
    type: Literal["direct", "fanout", "topic"] = parameter("topic", "how it decides")
    alternate: str | None = parameter(
        None, "the exchange that gets what no binding matches; none: it is dropped"
    )


class Binding(Value):
    """From an exchange to a queue, or to another exchange."""

    source: str = parameter("events", "the exchange that messages come from")
    to: str = parameter("queue", "the queue or exchange that gets a copy")
    key: str = parameter("", "routing key, or pattern of a topic exchange")


class Queue(Value):
    """A queue in the broker's memory, and what becomes of messages that can't stay."""

    hints: ClassVar = {"message_ttl": "it is ttl", "dead_letter_exchange": "it is dead_letters"}

    name: str = parameter("queue", "what it is called", min_length=1)
    capacity: int | None = parameter(
        None, "the most messages that it keeps ready; none: no bound", unit="messages", ge=1
    )
    overflow: Literal["drop-head", "reject-publish"] = parameter(
        "drop-head", "whether it drops its oldest message when it is full or refuses the new one"
    )
    ttl: float | None = parameter(
        None, "how long a message may wait before it expires; none: for ever", unit="s", gt=0
    )
    attempts: int | None = parameter(
        None, "attempts until a message that comes back is a dead letter; none: no end", ge=1
    )
    dead_letters: str | None = parameter(
        None, "queue or exchange for what expires, overflows or is rejected; none: it is gone"
    )

    @property
    def options(self) -> dict[str, Any]:
        """Of :meth:`simlib.broker.Broker.declare_queue`, without where dead letters go."""
        limit = None if self.attempts is None else self.attempts - 1
        return {
            "durable": True,
            "max_length": self.capacity,
            "overflow": self.overflow,
            "message_ttl": self.ttl,
            "delivery_limit": limit,
        }


class Group(Value):
    """Consumers that do the same and compete for the messages of the same queues."""

    hints: ClassVar = {"queue": "it is consumes, with a name or several", "give_up": "it is parked"}

    consumes: tuple[str, ...] = parameter(("queue",), "the queues", min_length=1)
    consumers: int = parameter(1, "how many consumers compete", step=1, ge=1, le=1000)
    service: Durations = parameter(
        Exponential(mean=1.0), "work that a message brings here", unit="s"
    )
    prefetch: int = parameter(
        10,
        "the most messages of a queue that each holds without an ack; 0: any number",
        unit="messages",
        step=1,
        ge=0,
        le=65_535,
    )
    workers: int = parameter(1, "messages that each works on at once", step=1, ge=1, le=1000)
    failing: float = parameter(0.0, "probability that an attempt fails", step=0.01, ge=0, lt=1)
    poison: float = parameter(
        0.0, "probability that every attempt at a message fails", step=0.01, ge=0, le=1
    )
    on_failure: Literal["requeue", "reject"] = parameter(
        "requeue", "whether a failed message goes back to its queue or to the dead letters"
    )
    attempts: int | None = parameter(
        None,
        "attempts, by way of the dead letters and back, until it is parked; none: no end",
        ge=1,
    )
    parked: str | None = parameter(None, "the queue for messages without an attempt left")

    @model_validator(mode="after")
    def _gives_up_somewhere(self) -> Self:
        if (self.attempts is None) != (self.parked is None):
            raise ValueError(
                "attempts and parked go together: after so many, into that queue, got "
                f"attempts={self.attempts} and parked={self.parked!r}"
            )
        if self.attempts is not None and self.on_failure != "reject":
            raise ValueError(
                "attempts of a group are counted by rejections: give on_failure='reject', got "
                f"{self.on_failure!r}; those of a queue count what goes back to it"
            )
        return self

    @property
    def tries(self) -> float:
        """Attempts per message, mean, if a queue sets no limit of its own."""
        most = inf if self.attempts is None else self.attempts
        tries = (1 - (self.failing**most if self.failing else 0.0)) / (1 - self.failing)
        return (1 - self.poison) * tries + (self.poison * most if self.poison else 0.0)


class Topology(PublishingScenario):
    """Messages go through exchanges and queues of any arrangement to groups of consumers.

    What there is is written down as data, by the names that it has in the broker, and everything is
    declared on a real one: :meth:`broker` makes it, and ``simlib.present.topology`` draws it. A
    queue with a ``ttl`` whose dead letters go back to where they came from is a retry after a
    pause; a queue that nobody consumes and that dead letters end in is a parking lot, and its
    messages count as dead letters.

    **A row of the result is a copy**, as in :class:`PublishSubscribe`. Labels say which ``message``
    a copy is of, which ``queue`` it was put into first, as a place among ``queues``, and which
    ``subscriber`` did it: consumers are counted through, group by group, from 0. The summary adds
    the figures of each group, from 1: ``throughput_n``, ``latency_mean_n``, ``latency_p99_n`` and
    ``utilisation_n`` (attempts in vain included).

    In the arrangement that is there if nothing else is said, what fails in "billing" waits for 30 s
    in "billing, later" and comes back, three times at most; then it is parked.
    """

    faults: ClassVar = {
        "consumers": ("crash", "hang", "slow"),
        "broker": ("crash",),
        "publisher": ("hang",),
        "network": ("hang",),
    }
    recurring: ClassVar = ("broker",)
    hints: ClassVar = {
        "consumers": "write groups=(Group(consumes=('queue',), consumers=2),)",
        "subscribers": "each is a queue, a binding and a group",
        "exchange": "it is publish_to",
        "window": "it is unconfirmed",
    }
    figures: ClassVar[Mapping[str, Metric]] = COPIES | {
        "throughput_#": Metric("throughput of group #", "1/s"),
        "latency_mean_#": Metric("latency in group #, mean", "s"),
        "latency_p99_#": Metric("latency in group #, 99th percentile", "s"),
        "utilisation_#": Metric("utilisation of group #", "%"),
    }

    exchanges: tuple[Exchange, ...] = parameter((Exchange(),), "where messages are published")
    queues: tuple[Queue, ...] = parameter(
        (
            Queue(name="billing", dead_letters="billing, later"),
            Queue(name="billing, later", ttl=30.0, dead_letters="billing"),
            Queue(name="shipping"),
            Queue(name="parked"),
        ),
        "where they wait",
        min_length=1,
    )
    bindings: tuple[Binding, ...] = parameter(
        (Binding(to="billing", key="order.paid"), Binding(to="shipping", key="order.*")),
        "which get a copy of which",
    )
    groups: tuple[Group, ...] = parameter(
        (
            Group(
                consumes=("billing",),
                failing=0.05,
                on_failure="reject",
                attempts=4,
                parked="parked",
            ),
            Group(consumes=("shipping",)),
        ),
        "who consumes them",
        min_length=1,
    )
    publish_to: str = parameter("events", "the exchange that messages are published to")
    routing_keys: dict[str, float] = parameter(
        {"order.paid": 0.5, "order.sent": 0.5},
        "share of each routing key in the messages; the shares add up to 1",
    )
    network: float = parameter(
        0.0, "time that anything is under way to or from the broker", unit="s", ge=0
    )
    publish_cost: float = parameter(
        0.0, "time that a publish takes the broker's machine", unit="s", ge=0
    )
    deliver_cost: float = parameter(
        0.0, "time that a delivery takes the broker's machine", unit="s", ge=0
    )
    confirms: Confirms = parameter("none", "which confirms the publisher waits for")
    unconfirmed: int = parameter(
        1,
        "messages in a batch, or the most unconfirmed ones when pipelined",
        unit="messages",
        step=1,
        ge=1,
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        exchanges = [each.name for each in self.exchanges]
        queues = [each.name for each in self.queues]
        twice = [name for name, times in Counter(exchanges + queues).items() if times > 1]
        if twice:
            raise ValueError(
                f"exchanges and queues need names of their own, got {twice[0]!r} twice"
            )
        _known("publish_to", [self.publish_to], exchanges, "an exchange")
        for place, exchange in enumerate(self.exchanges):
            _known(f"exchanges[{place}].alternate", [exchange.alternate], exchanges, "an exchange")
        for place, queue in enumerate(self.queues):
            either = exchanges + queues
            _known(
                f"queues[{place}].dead_letters",
                [queue.dead_letters],
                either,
                "a queue or an exchange",
            )
        for place, binding in enumerate(self.bindings):
            _known(f"bindings[{place}].source", [binding.source], exchanges, "an exchange")
            _known(
                f"bindings[{place}].to", [binding.to], exchanges + queues, "a queue or an exchange"
            )
        for place, group in enumerate(self.groups):
            _known(f"groups[{place}].consumes", group.consumes, queues, "a queue")
            _known(f"groups[{place}].parked", [group.parked], queues, "a queue")
            self._check_work(f"groups[{place}].service", group.service)
            self._comes_to_an_end(place, group)
        if any(share <= 0 for share in self.routing_keys.values()) or not self.routing_keys:
            raise ValueError(f"each share in routing_keys must be > 0, got {self.routing_keys}")
        total = sum(self.routing_keys.values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the shares in routing_keys must add up to 1, got {total:g}")
        return self

    def _comes_to_an_end(self, place: int, group: Group) -> None:
        """Refuse poison that comes back for ever in a run that only its messages end."""
        if not group.poison or group.attempts is not None or self.duration is not None:
            return
        own = [queue for queue in self.queues if queue.name in group.consumes]
        again = [queue.attempts is None for queue in own]
        if group.on_failure == "reject":
            again = [queue.dead_letters is not None for queue in own]
        if any(again):
            raise ValueError(
                f"poison messages of groups[{place}] come back for ever: give attempts, there or "
                "in its queues, or duration"
            )

    @property
    def servers(self) -> int:
        """How many copies can be worked on at once."""
        return sum(group.consumers * group.workers for group in self.groups)

    @property
    def parties(self) -> Parties:
        return Parties(sender="publisher", keeper="queue", worker="consumer")

    @property
    def slowest(self) -> float:
        """Work that a message brings per worker, in the group where that is most (s)."""
        return max(self._work_per_worker(group) for group in self.groups)

    @property
    def offered_load(self) -> float:
        """``load`` with attempts that fail, or that of the broker's machine, if that is more; NaN
        where a queue gives up messages, for then it is less."""
        if any(queue.attempts or queue.capacity for queue in self.queues):
            return nan
        groups = [self._work_per_worker(group) * group.tries for group in self.groups]
        copies = sum(
            self._copies[name] * group.tries for group in self.groups for name in group.consumes
        )
        machine = self.publish_cost + copies * self.deliver_cost
        return self.arrival_rate * max(*groups, machine)

    def _work_per_worker(self, group: Group) -> float:
        copies = sum(self._copies[name] for name in group.consumes)
        return copies * group.service.average / (group.consumers * group.workers)

    @cached_property
    def _copies(self) -> dict[str, float]:
        """Copies of a message that each queue gets first, mean."""
        broker = self.broker()
        copies = dict.fromkeys((queue.name for queue in self.queues), 0.0)
        for key, share in self.routing_keys.items():
            for queue in broker.publish(self.publish_to, key, b""):
                copies[queue] += share
        return copies

    def broker(self) -> Broker:
        """A broker with all that is written down, and without a message: to be looked at."""
        made = Broker()
        self.declare(made)
        return made

    def declare(self, broker: Broker) -> None:
        """Set up the exchanges, the queues and the bindings on a broker."""
        exchanges = {each.name for each in self.exchanges}
        for each in self.exchanges:
            broker.declare_exchange(
                each.name, each.type, durable=True, alternate_exchange=each.alternate
            )
        for queue in self.queues:
            options = queue.options
            if queue.dead_letters in exchanges:
                options["dead_letter_exchange"] = queue.dead_letters
            elif queue.dead_letters is not None:
                options["dead_letter_exchange"] = ""
                options["dead_letter_routing_key"] = queue.dead_letters
            broker.declare_queue(queue.name, **options)
        for binding in self.bindings:
            bind = broker.bind_exchange if binding.to in exchanges else broker.bind
            bind(binding.to, binding.source, binding.key)

    @property
    def parking(self) -> list[str]:
        """The queues that dead letters stay in: nobody consumes them, and nothing expires there."""
        consumed = {name for group in self.groups for name in group.consumes}
        ends = {group.parked for group in self.groups}
        ends |= {queue.dead_letters for queue in self.queues}
        # By way of exchanges, too.
        for _ in self.exchanges:
            ends |= {binding.to for binding in self.bindings if binding.source in ends}
        return [
            queue.name
            for queue in self.queues
            if queue.name in ends and queue.name not in consumed and queue.ttl is None
        ]

    def _simulate(self, env: Environment, progress: Progress | None) -> Result:
        record = Record()
        node = BrokerNode(
            env,
            publish_cost=self.publish_cost,
            deliver_cost=self.deliver_cost,
            network=across(env, self.network, self.outages_of("network")),
            dead_letters=self.parking,
            record=record,
        )
        self.declare(node.broker)
        groups = self._consume(env, node)
        keys: str | dict[str, float] = self.routing_keys
        if len(self.routing_keys) == 1:
            (keys,) = self.routing_keys
        publisher = BrokerPublisher(
            env,
            node,
            self.interarrival,
            exchange=self.publish_to,
            keys=keys,
            messages=self.messages,
            confirms=self.confirms,
            window=self.unconfirmed,
            faults=Faults(self.outages_of("publisher"), env, "outage of the publisher"),
        )
        fail(env, node, self.outages_of("broker"), lambda: publisher.process.is_alive)
        self.execute(env, progress)
        result, figures = copies_seen(self, env, node, publisher)
        return replace(result, extras=figures | self._by_group(result, groups))

    def _consume(self, env: Environment, node: BrokerNode) -> list[list[Subscriber]]:
        """The consumers of each group; those of one do the same work for the same message."""
        faults = iter(
            faults_of_each(
                sum(group.consumers for group in self.groups), self.outages_of("consumers"), env
            )
        )
        groups: list[list[Subscriber]] = []
        for place, group in enumerate(self.groups, 1):
            work = Draws(group.service, env.stream(f"service of group {place}"))
            groups.append([])
            for number in range(1, group.consumers + 1):
                groups[-1].append(
                    Subscriber(
                        env,
                        node,
                        group.consumes,
                        work,
                        prefetch=group.prefetch,
                        workers=group.workers,
                        mishaps=Mishaps(failing=group.failing, poison=group.poison),
                        on_failure=group.on_failure,
                        attempts=group.attempts,
                        give_up_to=group.parked or "",
                        faults=next(faults),
                        name=f"consumer {number} of group {place}",
                    )
                )
        return groups

    def _by_group(self, result: Result, groups: list[list[Subscriber]]) -> dict[str, float]:
        figures: dict[str, float] = {}
        for number, (group, members) in enumerate(zip(self.groups, groups, strict=True), 1):
            places = [member.place for member in members]
            summary = result.part(np.isin(result.labels["subscriber"], places)).summary()
            names = ("throughput", "latency_mean", "latency_p99")
            figures |= {f"{name}_{number}": float(summary[name]) for name in names}
            time = result.duration * group.consumers * group.workers
            worked = sum(member.worked for member in members)
            figures[f"utilisation_{number}"] = worked / time if time else nan
        return figures


def _known(name: str, said: Iterable[str | None], there: list[str], what: str) -> None:
    for each in said:
        if each is not None and each not in there:
            known = ", ".join(map(repr, there)) or "none"
            raise ValueError(f"{name} must be the name of {what}: {known}, got {each!r}")
