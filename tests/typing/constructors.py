"""Every public constructor as people write it; type checkers find nothing wrong here."""

from __future__ import annotations

import numpy as np
import pandas as pd

import simlib
from simlib import (
    Batches,
    Breakdowns,
    Bursty,
    Crash,
    Deterministic,
    Distribution,
    Empirical,
    Environment,
    Erlang,
    Exponential,
    Hyperexponential,
    Linger,
    LogNormal,
    Outage,
    ParameterError,
    Replay,
    Slowdown,
    Trace,
    Uniform,
    VaryingPoisson,
)
from simlib.analysis import Comparison, Interval, Replications, Result, compare, replicate, sweep
from simlib.broker import Broker, MessageBroker, MessageChannel, QueueOptions
from simlib.costs import CostProfile
from simlib.live import RabbitMQ
from simlib.processes import Consumer, Draws, Mishaps, Producer, SimQueue
from simlib.queues import FileQueue, MemoryQueue, Message, MessageQueue, PostgresQueue, SQLiteQueue
from simlib.scenarios import (
    ClosedLoop,
    Delivery,
    EventDriven,
    OpenScenario,
    Pipeline,
    PointToPoint,
    PublishSubscribe,
    Scenario,
    Station,
    SyncVsAsync,
)

version: str = simlib.__version__

# Distributions, by position and by name

distributions: list[Distribution] = [
    Exponential(1.0),
    Exponential(mean=1),
    Deterministic(2.0),
    Deterministic(value=2),
    Erlang(3, 1.0),
    Erlang(k=3, mean=1.0),
    LogNormal(1.0, 2.0),
    LogNormal(mean=1.0, cv=2.0),
    Hyperexponential(1.0, 2.0),
    Hyperexponential(mean=1.0, cv=2.0),
    Uniform(1.0, 2.0),
    Uniform(low=1.0, high=2.0),
    Empirical([1.0, 2.0]),
    Empirical(values=np.array([1.0, 2.0])),
    Replay([1, 2]),
    Replay(values=pd.Series([1.0, 2.0])),
    Trace([1.0, 2.0]),
    Trace(times=np.arange(3)),
    Bursty((1.0, 2.0), (3.0, 4.0)),
    Bursty(rates=(1.0, 2.0), mean_sojourns=(3.0, 4.0)),
    VaryingPoisson(2.0, 1.0, 60.0),
    VaryingPoisson(mean_rate=2.0, amplitude=1.0, period=60.0),
    Batches(Exponential(1.0), 5),
    Batches(interarrival=2.0, size=(1, 5)),
]
mean: float = Exponential(1.0).scaled(2.0).mean

# Parts of scenarios

outage = Outage(start=10.0, duration=5)
slowdown = Slowdown(start=10.0, duration=5.0, factor=2.0)
crash = Crash(what="consumer", at=1.0, restart=2.0)
often = Crash(what="power", rate=0.1, restart=Exponential(1.0))
linger = Linger(batch_size=10, time=0.1)
breakdowns = Breakdowns(rate=0.1, repair=Exponential(10.0))
station = Station(service=1.0, consumers=2, capacity=5, when_full="reject")

# Scenarios

scenarios: list[Scenario] = [
    PointToPoint(messages=10),
    PointToPoint(
        interarrival=Trace([1.0]),
        service=2.0,
        duration=10,
        consumers=2,
        queue="file",
        sync="batch",
        put_cost=None,
        costs=CostProfile.shipped(),
        priorities=(0.5, 0.5),
        crashes=(crash, often),
    ),
    PointToPoint(messages=10, linger=linger, polling=1.0, breakdowns=breakdowns),
    PointToPoint(messages=10, cold_start=Exponential(1.0), polling=None),
    Pipeline(messages=10, stations=(Station(), station)),
    SyncVsAsync(messages=10, mode="async", outage=outage, slowdown=slowdown),
    ClosedLoop(callers=3, think=1.0, service=Exponential(0.1)),
    Delivery(messages=10, semantics="effectively once", restart_every=10.0),
    EventDriven(messages=10, way="database", polling=None, outage=outage),
    PublishSubscribe(messages=10, exchange="topic", bindings=("a.#", "*", "b")),
]
shop = PointToPoint(messages=10)
average: float = shop.service.average
again: PointToPoint = shop.replace(load=0.5, consumers=2)
opened: OpenScenario = PointToPoint.model_validate_json(shop.model_dump_json())

# What comes of them

result: Result = shop.run(seed=1)
replications: Replications = replicate(shop, 3)
difference: Interval = compare(shop, again).interval("latency_mean")
comparison: Comparison = compare(shop, again, replications=3)
table: pd.DataFrame = sweep(shop, {"load": [0.5, 0.8]}, replications=2)
try:
    PointToPoint(messages=0)
except ParameterError as error:
    said: list[str] = [problem.said for problem in error.problems]

# Processes

env = Environment(1)
queue = SimQueue(env, MemoryQueue(clock=env.clock), capacity=3, put_cost=0.1)
Producer(env, queue, Exponential(1.0), messages=3)
Consumer(env, queue, Draws(Exponential(1.0), env.stream("work")), workers=2)


mishaps = Mishaps(ack_lost=0.1, crash=0.01, restart=1.0)


# Queues and broker


def queues() -> list[MessageQueue]:
    """Those that need a place."""
    return [
        MemoryQueue(10, lease=30.0),
        FileQueue("orders", sync="never"),
        SQLiteQueue("orders.db", sync="batch", lease=30.0),
        PostgresQueue("dbname=shop", "orders"),
    ]


orders = MemoryQueue()
number: int = orders.put(b"order 17", headers={"type": "order"}, priority=1, delay=0.0)
message: Message = orders.get(timeout=1.0)
orders.ack(message)


def brokers(url: str) -> list[MessageBroker]:
    """Ours, and a server: one interface."""
    return [Broker(), RabbitMQ(url)]


def channels(ours: Broker, server: RabbitMQ) -> list[MessageChannel]:
    """With either of them."""
    return [ours.channel(), server.channel()]


broker: MessageBroker = Broker()
broker.declare_exchange("events", type="topic")
broker.declare_queue("billing", max_length=10)
broker.bind("billing", "events", "order.*")
reached: list[str] | None = broker.publish("events", "order.created", b"order 17")
options = QueueOptions(max_length=10)
