"""Every public constructor as people write it; type checkers find nothing wrong here."""

from __future__ import annotations

import numpy as np
import pandas as pd

import simlib
from simlib import (
    Batches,
    Breakdowns,
    Bursty,
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
    Trace,
    Uniform,
    VaryingPoisson,
    resilience,
)
from simlib.analysis import Comparison, Interval, Replications, Result, compare, replicate, sweep
from simlib.broker import Broker, MessageBroker, MessageChannel, QueueOptions
from simlib.calls import Reply, Request, Service, Shop, ShopService
from simlib.costs import CostProfile
from simlib.live import RabbitMQ
from simlib.processes import Consumer, Draws, Mishaps, Producer, SimQueue
from simlib.queues import FileQueue, MemoryQueue, Message, MessageQueue, PostgresQueue, SQLiteQueue
from simlib.resilience import (
    AdaptiveLIFO,
    AIMDLimit,
    BoundedQueue,
    Bulkhead,
    CircuitBreaker,
    CoDel,
    Deadline,
    DecorrelatedJitter,
    EqualJitter,
    Fixed,
    FullJitter,
    GradientLimit,
    Hedge,
    LeastConnections,
    Random,
    RequestCoDel,
    Retry,
    RetryBudget,
    RoundRobin,
    Routing,
    TokenBucket,
    TwoChoices,
    Wait,
)
from simlib.scenarios import (
    ApiStyles,
    Backoff,
    Binding,
    Calling,
    ClosedLoop,
    Composition,
    Consistency,
    DeliveryGuarantees,
    EventDriven,
    Exchange,
    Group,
    Hedging,
    OpenScenario,
    Overload,
    Pipeline,
    PointToPoint,
    PublishSubscribe,
    Queue,
    Scenario,
    Station,
    SyncVsAsync,
    Topology,
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

outage = Outage(of="service", start=10.0, duration=5)
slow = Outage(of="service", start=10.0, duration=5.0, kind="slow", factor=2.0)
crash = Outage(of="consumers", start=1.0, duration=2.0)
often = Outage(of="broker", every=Exponential(10), duration=Exponential(1.0), kind="power")
linger = Linger(size=10, time=0.1)
breakdowns = Breakdowns(rate=0.1, repair=Exponential(10.0))
station = Station(service=1.0, consumers=2, capacity=5, overflow="reject")

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
        outages=(crash, often),
    ),
    PointToPoint(messages=10, linger=linger, polling=1.0, breakdowns=breakdowns),
    PointToPoint(messages=10, cold_start=Exponential(1.0), polling=None),
    Pipeline(messages=10, stations=(Station(), station)),
    SyncVsAsync(messages=10, mode="async", outages=(outage, slow)),
    ApiStyles(style="graphql", task="poll", orders=5, batched=False, rtt=0.1),
    Composition(shape="fan-out", calls=100, latency=0.01, hedge_after=0.03, cancel=False),
    Hedging(messages=10, replicas=3, service=Exponential(0.1), hedge_after=0.2),
    Calling(messages=10, cold="each", checkout_timeout=0.1, late="cancelled"),
    Overload(messages=10, backoff=Backoff(jitter="equal"), budget=0.05, order="lifo"),
    ClosedLoop(callers=3, think=1.0, service=Exponential(0.1)),
    DeliveryGuarantees(messages=10, outages=(Outage(of="broker", every=10.0, duration=0),)),
    EventDriven(messages=10, way="database", polling=None, outages=(crash,)),
    Consistency(messages=10, pattern="outbox", crash_after="mark", polling=None),
    PublishSubscribe(messages=10, exchange="topic", bindings=("a.#", "*", "b")),
    Topology(
        messages=10,
        exchanges=(Exchange(name="orders", type="direct"),),
        queues=(Queue(name="billing", ttl=5.0, capacity=10),),
        bindings=(Binding(source="orders", to="billing", key="paid"),),
        groups=(Group(consumes=("billing",), consumers=2, service=0.5),),
        publish_to="orders",
        routing_keys={"paid": 1.0},
    ),
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

# Calls

service: Service = ShopService(Shop(":memory:"), batched=False)
reply: Reply = service.handle(Request("GET", "/orders", headers={"if-none-match": '"000"'}))
queries: int = reply.queries.made

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


# Policies

breaker = CircuitBreaker(rate=0.5, window=100, minimum=10, open_for=5.0, probes=10)
breaker = CircuitBreaker(window=None, within=30, failed_probes=1)
if (ticket := breaker.allow(1.0)) is not None:
    breaker.record(ticket, 1.5, ok=True)
waits: list[Wait] = [
    Fixed(),
    resilience.Exponential(base=0.1, most=10),
    FullJitter(base=0.1, most=10.0),
    EqualJitter(0.1, 10),
    DecorrelatedJitter(0.1, 10),
]
pause: float | None = Retry(attempts=3, wait=waits[0]).pause(1, 0.5)
pauses: list[float] = list(Retry().pauses([0.5, 0.25]))
budget = RetryBudget(ratio=0.2, maximum=10, initial=0)
copy: float | None = Hedge(after=0.1, copies=2, budget=budget).due(1.0)
left: float = Deadline(1.0).callee(sent=0.5, timeout=2).left(0.75)
bulkhead = Bulkhead(places=2, waiting=3, max_wait=0.5)
if (visit := bulkhead.enter(1.0)) is not None and visit.started is not None:
    bulkhead.leave(visit, 2.0)
granted: bool = TokenBucket(rate=10, burst=5).take(1.0)
limits = [AIMDLimit(initial=20, backoff=0.9, least=20, most=200), GradientLimit(initial=20)]
bounded = BoundedQueue[str](capacity=10, policy="drop oldest")
bounded.put("order 17")
newest: int | None = AdaptiveLIFO[int](threshold=3).get()
served: str | None = CoDel[str](target=0.005, interval=0.1).get(1.0).item
late: tuple[str, ...] = RequestCoDel[str]().get(1.0).dropped
routings: list[Routing] = [Random(), RoundRobin(), LeastConnections(), TwoChoices()]
chosen: int = routings[0].choose([3, 1, 2], 0.5)
