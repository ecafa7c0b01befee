"""Lost or doubled: what becomes of a message when something fails on its way?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing, nullcontext
from functools import partial
from math import nan
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from ..analysis.metrics import Metric
from ..analysis.result import Result
from ..broker import Broker
from ..distributions import Arrivals, Durations, Exponential, Uniform
from ..processes import BrokerNode, Draws, Environment, Mishaps
from ..processes.directory import own_directory
from ..processes.faults import faults_of_each
from ..processes.network import across
from ..processes.publish_subscribe.bookkeeper import Bookkeeper
from ..processes.publish_subscribe.outages import fail
from ..processes.publish_subscribe.resending import PaymentPublisher
from ..queues.kinds import open_queue
from ..stores import Accounts
from ..tracing import Parties
from .base import OpenScenario, Progress, parameter

__all__ = ["DeliveryGuarantees"]


def _chance(description: str) -> Any:
    return parameter(0.0, f"probability that {description}", step=0.01, ge=0, lt=1)


class DeliveryGuarantees(OpenScenario):
    """Payments travel through a broker, and a bookkeeper books them in a real account.

    *At most once*: the broker counts a message as done when it is delivered (``auto_ack``). *At
    least once*: the bookkeeper acks it after the booking. *Effectively once*: so, too, and it
    knows what was booked before, by an inbox in the transaction of the booking, or by a dedup
    store beside it. Messages are lost and doubled by the broker, the queue and the database
    themselves; this only says what fails, and when.

    Each probability is drawn anew for each attempt. They are those of a message on its way to the
    broker, a confirm on its way back, a message on its way to the bookkeeper, the work, the
    booking, and the ack. Without ``confirms`` a message is sent once; with them, until one comes.
    While the broker is down what arrives there is lost, and what is kept waits in it.

    The result counts copies of messages, as :class:`simlib.processes.BrokerNode` says. The summary
    adds, in messages: ``missing`` (not booked, nor put aside as a dead letter), ``doubled`` (booked
    more than once), ``surplus`` (bookings beyond the first) and ``dead_letters``; in money:
    ``money_due`` (of all messages but the dead letters), ``money_booked`` and ``money_wrong`` (the
    difference); and ``sends`` and ``attempts`` (at the work) per message.
    """

    faults: ClassVar = {
        "broker": ("crash",),
        "consumers": ("crash", "hang", "slow"),
        "network": ("hang",),
    }
    recurring: ClassVar = ("broker",)
    hints: ClassVar = {
        "window": "it is dedup_window",
        "patience": "it is timeout",
        "crash": "it is crashing",
        "recovery": "it is restart",
        "restart_every": "write outages=(Outage(of='broker', every=5.0, duration=0),)",
    }
    figures: ClassVar[Mapping[str, Metric]] = {
        "missing": Metric("never booked", "messages"),
        "doubled": Metric("booked more than once", "messages"),
        "surplus": Metric("bookings too many", "messages"),
        "dead_letters": Metric("dead letters", "messages"),
        "money_due": Metric("money due"),
        "money_booked": Metric("money booked"),
        "money_wrong": Metric("money wrong"),
        "sends": Metric("sends per message"),
        "attempts": Metric("attempts per message"),
    }

    interarrival: Arrivals = parameter(
        Exponential(mean=0.1), "time between one payment and the next", unit="s"
    )
    service: Durations = parameter(
        Exponential(mean=0.05), "work that a payment brings to the bookkeeper", unit="s"
    )
    semantics: Literal["at most once", "at least once", "effectively once"] = parameter(
        "at least once", "when a message counts as done, and whether a repetition is noticed"
    )
    dedup: Literal["store", "inbox"] = parameter(
        "inbox", "effectively once: where it is noted that a message is booked"
    )
    dedup_window: float | None = parameter(
        None, "how long that is remembered; none: for ever", unit="s", gt=0
    )
    confirms: bool = parameter(True, "whether the publisher sends again what is not confirmed")
    timeout: float = parameter(1.0, "how long it waits for a confirm", unit="s", gt=0)
    persistent: bool = parameter(True, "whether messages are marked persistent")
    queue: Literal["memory", "file"] = parameter(
        "memory", "what keeps the messages of the broker's durable queue"
    )
    prefetch: int = parameter(
        10,
        "messages that the bookkeeper holds without an ack",
        unit="messages",
        step=1,
        ge=1,
        le=65535,
    )
    network: float = parameter(
        0.005, "time that anything is under way to the broker or back", unit="s", ge=0
    )
    publish_lost: float = _chance("a message does not get to the broker")
    confirm_lost: float = _chance("a confirm does not get back")
    delivery_lost: float = _chance("the connection breaks with a delivery on its way")
    crashing: float = _chance("the bookkeeper crashes in the work")
    booked_and_crashed: float = _chance("it crashes right after a booking")
    ack_lost: float = _chance("an ack does not arrive, and the connection breaks")
    restart: float = parameter(
        1.0, "time until the bookkeeper is back after a crash in the work", unit="s", ge=0
    )
    failing: float = _chance("an attempt at the work fails")
    poison: float = _chance("a message is poison, and every attempt at it fails")
    attempts: int | None = parameter(
        None, "deliveries until a message becomes a dead letter; none: no end", step=1, ge=1
    )
    retry_delay: float | None = parameter(
        None,
        "time that a failed message waits in a queue of its own; none: it is back at once",
        unit="s",
        gt=0,
    )

    @model_validator(mode="after")
    def _comes_to_an_end(self) -> Self:
        if self.attempts is None and self.semantics != "at most once":
            if self.poison:
                raise ValueError(f"poison={self.poison:g} comes back for ever without attempts")
            if self.retry_delay is not None:
                raise ValueError(f"retry_delay={self.retry_delay:g} needs attempts, got none")
        if self.confirms and self.timeout <= 2 * self.network:
            raise ValueError(
                f"timeout must be longer than a message and its confirm are under way, "
                f"{2 * self.network:g} s, got {self.timeout:g}"
            )
        return self

    @property
    def servers(self) -> int:
        """How many payments can be booked at once."""
        return 1

    @property
    def parties(self) -> Parties:
        return Parties(sender="publisher", keeper="broker", worker="bookkeeper", store="account")

    @property
    def offered_load(self) -> float:
        """``load``; NaN with faults, which repeat work and keep the bookkeeper from it."""
        chances = ("confirm_lost", "delivery_lost", "crashing", "booked_and_crashed", "ack_lost")
        others = ("failing", "poison", "outages")
        return nan if any(getattr(self, name) for name in (*chances, *others)) else self.load

    def _simulate(self, env: Environment, progress: Progress | None) -> Result:
        network = across(env, self.network, self.outages_of("network"))
        node = BrokerNode(env, network=network, dead_letters={"dead"})
        with (
            own_directory() if self.queue == "file" else nullcontext(Path()) as folder,
            Accounts(env.clock, self.dedup_window) as accounts,
            closing(node),
        ):
            self._declare(env, node, folder)
            publisher = self._publisher(env, node)
            self._bookkeeper(env, node, accounts)
            fail(env, node, self.outages_of("broker"), lambda: publisher.process.is_alive)
            self.execute(env, progress)
            ledger = node.ledger()
            figures = self._figures(node, publisher, accounts)
        over = not (publisher.process.is_alive or publisher.under_way or ledger.unfinished)
        return self.result(env, node.record, ledger, over=over, figures=figures)

    def _declare(self, env: Environment, node: BrokerNode, folder: Path) -> None:
        """The queue for payments, and those for what fails."""
        limit = None if self.attempts is None else self.attempts - 1
        delayed = self.retry_delay is not None
        options: dict[str, dict[str, Any]] = {"payments": {}}
        if limit is not None:
            options["dead"] = {}
            options["payments"] = {
                "dead_letter_exchange": "",
                "dead_letter_routing_key": "retry" if delayed else "dead",
                "delivery_limit": None if delayed else limit,
            }
        if delayed:
            options["retry"] = {
                "dead_letter_exchange": "",
                "dead_letter_routing_key": "payments",
                "message_ttl": self.retry_delay,
            }
        for name, each in options.items():
            store = None
            if self.queue == "file":
                place = folder / name
                place.mkdir(exist_ok=True)
                store = partial(open_queue, self.queue, place, sync="never", clock=env.clock)
            node.broker.declare_queue(name, store, durable=True, **each)

    def _publisher(self, env: Environment, node: BrokerNode) -> PaymentPublisher:
        return PaymentPublisher(
            env,
            node,
            self.interarrival,
            Draws(Uniform(low=0.0, high=100.0), env.stream("amounts")),
            keys="payments",
            messages=self.messages,
            persistent=self.persistent,
            patience=self.timeout if self.confirms else None,
            mishaps=self._mishaps,
        )

    @property
    def _mishaps(self) -> Mishaps:
        """What goes wrong by chance; where there are no acks, none is lost."""
        return Mishaps(
            publish_lost=self.publish_lost,
            confirm_lost=self.confirm_lost,
            delivery_lost=self.delivery_lost,
            crash=self.crashing,
            restart=self.restart,
            failing=self.failing,
            poison=self.poison,
            booked_and_crashed=self.booked_and_crashed,
            ack_lost=0.0 if self.semantics == "at most once" else self.ack_lost,
        )

    def _bookkeeper(self, env: Environment, node: BrokerNode, accounts: Accounts) -> Bookkeeper:
        delayed = self.retry_delay is not None
        (faults,) = faults_of_each(1, self.outages_of("consumers"), env)
        return Bookkeeper(
            env,
            node,
            "payments",
            Draws(self.service, env.stream("service")),
            accounts,
            dedup=self.dedup if self.semantics == "effectively once" else "none",
            prefetch=self.prefetch,
            auto_ack=self.semantics == "at most once",
            mishaps=self._mishaps,
            on_failure="reject" if delayed else "requeue",
            attempts=self.attempts if delayed else None,
            give_up_to="dead" if delayed else "",
            faults=faults,
        )

    def _figures(
        self, node: BrokerNode, publisher: PaymentPublisher, accounts: Accounts
    ) -> dict[str, float]:
        booked, record = accounts.bookings, node.record
        published = len(publisher.copies)
        dead = _drained(node.broker, "dead") - booked.keys()
        due = sum(publisher.amount(n) for n in publisher.copies if n not in dead)
        tried = np.count_nonzero(~np.isnan(record.started))
        tried += np.count_nonzero(~np.isnan(record.attempts.start))
        return {
            "missing": published - len(booked) - len(dead),
            "doubled": sum(times > 1 for times in booked.values()),
            "surplus": sum(booked.values()) - len(booked),
            "dead_letters": len(dead),
            "money_due": due,
            "money_booked": accounts.balance,
            "money_wrong": accounts.balance - due,
            "sends": sum(publisher.copies.values()) / max(1, published),
            "attempts": tried / max(1, published),
        }


def _drained(broker: Broker, queue: str) -> set[int]:
    """The orders of all messages that are ready in a queue, which is empty after that."""
    if queue not in broker.queues:
        return set()
    return {json.loads(each.body)["order"] for each in iter(lambda: broker.get(queue), None)}
