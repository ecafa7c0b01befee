"""From one queue to many readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf, nan
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from ..analysis.metrics import Metric
from ..analysis.result import Result
from ..broker import Broker
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
from ..processes.draws import stream
from ..processes.faults import faults_of_each
from ..processes.network import across
from ..processes.publish_subscribe.outages import fail
from ..tracing import Parties
from .base import OpenScenario, Progress, parameter
from .copies_seen import COPIES, copies_seen

__all__ = ["PublishSubscribe"]

EXCHANGE = "events"

DEAD = "dead letters"


class PublishSubscribe(OpenScenario):
    """A publisher sends messages to a broker's exchange, and subscribers consume its queues.

    In a "fan-out" each subscriber has a queue of its own and gets a copy of each message, or of
    those that its binding matches. "Competing" subscribers share one queue, and each message goes
    to one of them, in turn: whoever has no credit at its turn stands aside, and comes back last.
    In a "group" the messages go to partitions in turn, and each partition is a
    queue that one subscriber alone consumes, which keeps their order.

    The broker has its queues in memory: when it goes down it loses what is in them. What arrives
    while it is down is lost, too, unless the publisher waits for confirms and sends that again.

    **A row of the result is a copy**, and the ledger counts copies: three subscribers in a fan-out
    make three of a message. Labels say which ``message`` a copy is of, which ``queue`` it was in
    and which ``subscriber`` did it, from 0. A copy is ``delivered`` when the broker sends it,
    ``acked`` when the ack has got there, and ``left`` when nobody has to do anything about it any
    more (s).

    The summary's ``throughput``, ``latency`` and ``wait`` are those of copies. It adds
    ``dead_lettered``, ``expired`` and ``duplicates`` (deliveries in vain), ``confirm_mean`` (from
    when a message was due until its publisher knew that the broker has it, s) and
    ``broker_utilisation``; and for each subscriber, from 1, ``throughput_n``, ``latency_mean_n``,
    ``latency_p99_n``, ``utilisation_n`` (attempts in vain included), and ``queue_mean_n``
    (messages that wait for it in the broker, where it has queues of its own).
    """

    faults: ClassVar = {
        "consumers": ("crash", "hang", "slow"),
        "broker": ("crash",),
        "publisher": ("hang",),
        "network": ("hang",),
    }
    recurring: ClassVar = ("broker",)
    hints: ClassVar = {
        "window": "it is unconfirmed",
        "max_length": "it is capacity",
        "delivery_limit": "it is attempts, one more than the limit",
    }
    figures: ClassVar[Mapping[str, Metric]] = COPIES | {
        "throughput_#": Metric("throughput of subscriber #", "1/s"),
        "latency_mean_#": Metric("latency of subscriber #, mean", "s"),
        "latency_p99_#": Metric("latency of subscriber #, 99th percentile", "s"),
        "queue_mean_#": Metric("waiting for subscriber #, mean", "messages"),
        "utilisation_#": Metric("utilisation of subscriber #", "%"),
    }

    subscribers: int = parameter(3, "how many subscribers there are", step=1, ge=1, le=200)
    arrangement: Literal["fan-out", "competing", "group"] = parameter(
        "fan-out", "a copy for each subscriber, one queue for all, or a queue per partition"
    )
    partitions: int = parameter(6, "partitions that a group shares out", step=1, ge=1, le=200)
    exchange: Literal["fanout", "direct", "topic"] = parameter(
        "fanout", "how the exchange of a fan-out decides"
    )
    routing_keys: dict[str, float] = parameter(
        {"event": 1.0}, "share of each routing key in the messages; the shares add up to 1"
    )
    bindings: tuple[str, ...] | None = parameter(
        None, "routing key or pattern for each subscriber of a fan-out; none: everything"
    )
    prefetch: int = parameter(
        10,
        "the most messages that a subscriber holds without an ack; 0: any number",
        unit="messages",
        step=1,
        ge=0,
        le=65_535,
    )
    workers: int = parameter(
        1, "messages that a subscriber works on at once", step=1, ge=1, le=1000
    )
    slow_factor: float = parameter(
        1.0, "how many times as long the last subscriber takes", step=0.5, gt=0, le=1000
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
    capacity: int | None = parameter(
        None, "the most messages that a queue keeps ready; none: no bound", unit="messages", ge=1
    )
    overflow: Literal["drop-head", "reject-publish"] = parameter(
        "drop-head", "whether a full queue drops its oldest message or refuses the new one"
    )
    ack_lost: float = parameter(0.0, "probability that an ack is lost", step=0.01, ge=0, lt=1)
    poison: float = parameter(
        0.0, "probability that every attempt at a message fails", step=0.01, ge=0, le=1
    )
    failing: float = parameter(0.0, "probability that an attempt fails", step=0.01, ge=0, lt=1)
    attempts: int | None = parameter(
        None, "attempts until a message becomes a dead letter; none: no end", step=1, ge=1
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if any(share <= 0 for share in self.routing_keys.values()) or not self.routing_keys:
            raise ValueError(f"each share in routing_keys must be > 0, got {self.routing_keys}")
        total = sum(self.routing_keys.values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the shares in routing_keys must add up to 1, got {total:g}")
        if self.bindings is not None and len(self.bindings) != self.subscribers:
            raise ValueError(
                f"bindings must have one for each of the {self.subscribers} subscribers, got "
                f"{len(self.bindings)}"
            )
        if self.bindings is None and self.exchange != "fanout":
            raise ValueError(f"a {self.exchange} exchange needs bindings, one for each subscriber")
        if self.exchange != "fanout" and self.arrangement != "fan-out":
            raise ValueError(f"only a fan-out has an exchange to choose, got {self.exchange!r}")
        if self.poison and self.attempts is None and self.duration is None:
            raise ValueError("poison messages come back for ever: give attempts or duration")
        return self

    @property
    def servers(self) -> int:
        """How many copies can be worked on at once."""
        return self.subscribers * self.workers

    @property
    def parties(self) -> Parties:
        keeper = "partition" if self.arrangement == "group" else "queue"
        return Parties(sender="publisher", keeper=keeper, worker="subscriber")

    @property
    def slowest(self) -> float:
        """Work that a message brings per worker, where that is most (s)."""
        if self.arrangement == "competing":
            speed = self.subscribers - 1 + 1 / self.slow_factor
            return self.service.average / (speed * self.workers)
        share = 1.0
        if self.arrangement == "group":
            most = -(-self.partitions // self.subscribers)
            share = most / self.partitions
        return self.service.average * max(self.slow_factor, 1.0) * share / self.workers

    @property
    def offered_load(self) -> float:
        """``load`` with attempts that fail, or that of the broker's machine, if that is more; NaN
        where acks are lost, for a connection that breaks gives back more than one message."""
        if self.ack_lost:
            return nan
        attempts = 1 / (1 - self.failing)
        if self.attempts is not None:
            attempts *= 1 - self.failing**self.attempts
        if self.poison:
            most = self.attempts or inf
            attempts = (1 - self.poison) * attempts + self.poison * most
        copies = attempts * (self.subscribers if self.arrangement == "fan-out" else 1)
        if self.bindings is not None and self.arrangement == "fan-out":
            broker = Broker()
            self.declare(broker)
            copies = attempts * sum(
                share * len(broker.publish(EXCHANGE, key, b""))
                for key, share in self.routing_keys.items()
            )
        machine = self.arrival_rate * (self.publish_cost + copies * self.deliver_cost)
        return max(self.load * attempts, machine)

    def declare(self, broker: Broker) -> None:
        """Set up the exchange, the queues and the bindings on a broker."""
        options: dict[str, Any] = {"max_length": self.capacity, "overflow": self.overflow}
        if self.attempts is not None:
            options |= {
                "delivery_limit": self.attempts - 1,
                "dead_letter_exchange": "",
                "dead_letter_routing_key": DEAD,
            }
        kind = "direct" if self.arrangement == "group" else self.exchange
        broker.declare_exchange(EXCHANGE, kind, durable=True)
        for place, queue in enumerate(self.queues):
            broker.declare_queue(queue, durable=True, **options)
            key = queue if self.arrangement == "group" else ""
            if self.bindings is not None and self.arrangement == "fan-out":
                key = self.bindings[place]
            broker.bind(queue, EXCHANGE, key)
        if self.attempts is not None:
            broker.declare_queue(DEAD, durable=True)

    @property
    def queues(self) -> list[str]:
        """The names of the queues that subscribers consume."""
        if self.arrangement == "competing":
            return ["queue"]
        if self.arrangement == "group":
            return [f"partition {number}" for number in range(1, self.partitions + 1)]
        return [f"queue {number}" for number in range(1, self.subscribers + 1)]

    def queues_of(self, subscriber: int) -> list[str]:
        """The queues that a subscriber consumes, which is numbered from 0."""
        if self.arrangement == "competing":
            return self.queues
        return self.queues[subscriber :: self.subscribers]

    def _simulate(self, env: Environment, progress: Progress | None) -> Result:
        record = Record()
        node = BrokerNode(
            env,
            publish_cost=self.publish_cost,
            deliver_cost=self.deliver_cost,
            network=across(env, self.network, self.outages_of("network")),
            dead_letters=[DEAD],
            record=record,
        )
        self.declare(node.broker)
        subscribers = self._subscribe(env, node)
        keys: str | list[str] | dict[str, float] = self.routing_keys
        if self.arrangement == "group":
            keys = self.queues
        elif len(self.routing_keys) == 1:
            (keys,) = self.routing_keys
        publisher = BrokerPublisher(
            env,
            node,
            self.interarrival,
            exchange=EXCHANGE,
            keys=keys,
            messages=self.messages,
            confirms=self.confirms,
            window=self.unconfirmed,
            faults=Faults(self.outages_of("publisher"), env, "outage of the publisher"),
        )
        fail(env, node, self.outages_of("broker"), lambda: publisher.process.is_alive)
        self.execute(env, progress)
        result, figures = copies_seen(self, env, node, publisher)
        return replace(result, extras=figures | self._by_subscriber(result, node, subscribers))

    def _subscribe(self, env: Environment, node: BrokerNode) -> list[Subscriber]:
        """The subscribers; all of them do the same work for the same message."""
        subscribers = []
        faults = faults_of_each(self.subscribers, self.outages_of("consumers"), env)
        for number in range(self.subscribers):
            last = number == self.subscribers - 1
            # Multiplied, and not drawn anew: the slow one meets the same luck.
            factor = self.slow_factor if last else 1.0
            service = self.service.scaled(self.service.average * factor)
            work = Draws(service, stream(env.seed, "service"))
            subscribers.append(
                Subscriber(
                    env,
                    node,
                    self.queues_of(number),
                    work,
                    prefetch=self.prefetch,
                    workers=self.workers,
                    mishaps=Mishaps(
                        ack_lost=self.ack_lost, poison=self.poison, failing=self.failing
                    ),
                    faults=faults[number],
                    name=f"subscriber {number + 1}",
                )
            )
        return subscribers

    def _by_subscriber(
        self, result: Result, node: BrokerNode, subscribers: list[Subscriber]
    ) -> dict[str, float]:
        figures: dict[str, float] = {}
        for number, subscriber in enumerate(subscribers):
            chosen = result.labels["subscriber"] == number
            names = ["throughput", "latency_mean", "latency_p99"]
            if self.arrangement != "competing":
                mine = [
                    place
                    for place, queue in enumerate(node.queue_names)
                    if queue in subscriber.queues
                ]
                chosen = np.isin(result.labels["queue"], mine)
                names.append("queue_mean")
            summary = result.part(chosen).summary()
            time = result.duration * self.workers
            figures |= {f"{name}_{number + 1}": float(summary[name]) for name in names}
            figures[f"utilisation_{number + 1}"] = subscriber.worked / time if time else nan
        return figures
