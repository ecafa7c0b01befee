"""What a message costs on its way through the broker, and what finding the way costs."""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from simlib import Exponential
from simlib.broker import Broker, Delivery, topic_matches
from simlib.scenarios import PointToPoint, PublishSubscribe

from .measure import Comparison, compare, whole
from .report import Table, at_least, at_most, figure, times

MESSAGES = 10_000
SLICES = 20
BODY = b"x" * 256
GOAL = 100_000  # messages a second

FEW, MANY = 10, 10_000
QUEUES = 100
ROUTED = 5_000
FLAT = 1.5
SCANNED = 10

SIMULATED = 50_000
TWICE = 2.0


def tables() -> Iterator[Table]:
    yield _throughput()
    yield _routing()
    yield _on_simulated_time()


def _throughput() -> Table:
    contenders = {
        "callback, prefetch 100, ack": _with_callback(prefetch=100),
        "callback, auto ack": _with_callback(auto_ack=True),
        "get, ack": _with_get(),
        "callback, prefetch 100, ack; persistent": _with_callback(prefetch=100, persistent=True),
    }
    pair = whole(_through_deque, MESSAGES)
    found = {
        name: compare(pair, whole(work, MESSAGES), SLICES) for name, work in contenders.items()
    }
    first = next(iter(found))
    rows: list[tuple[object, ...]] = [("deque, append + popleft", "1", "", "", "", "")]
    rows += [
        (
            name,
            times(each.ratio),
            figure(each.contender * 1e6),
            figure(1 / each.contender),
            each.ratio.count,
            at_least(GOAL, 1 / each.contender) if name == first else "",
        )
        for name, each in found.items()
    ]
    return Table(
        title="The broker",
        about=(
            f"{MESSAGES:,} messages of {len(BODY)} bytes, each published to a topic exchange, "
            "routed by one binding, stored in a `MemoryQueue`, delivered and acked. How many times "
            "as long as an `append` and a `popleft` of a `deque`."
        ),
        columns=("consumer", "× deque", "µs per message", "messages/s", "slices", "goal"),
        rows=rows,
    )


def _routing() -> Table:
    few = whole(_routed(FEW), ROUTED)
    scan = whole(partial(_scan, _patterns(MANY)), SCANNED)
    found: dict[str, Comparison] = {
        f"{MANY:,} bindings": compare(few, whole(_routed(MANY), ROUTED), SLICES),
        f"`topic_matches` with each of {MANY:,} patterns": compare(few, scan, 3),
    }
    first = next(iter(found))
    rows: list[tuple[object, ...]] = [
        (f"{FEW} bindings", "1", figure(found[first].baseline * 1e6), "", "")
    ]
    rows += [
        (
            name,
            times(each.ratio),
            figure(each.contender * 1e6),
            each.ratio.count,
            at_most(FLAT, each.ratio.median) if name == first else "",
        )
        for name, each in found.items()
    ]
    return Table(
        title="Routing by topics",
        about=(
            "A message published to a topic exchange whose bindings have patterns like "
            f"`*.site7.#`, for {QUEUES} queues, and fetched from the one queue it reaches. Times "
            "in relation to few bindings."
        ),
        columns=("bindings", "× few", "µs per message", "slices", "goal"),
        rows=rows,
    )


def _on_simulated_time() -> Table:
    plain = PointToPoint(
        interarrival=Exponential(mean=1.25), service=Exponential(mean=1.0), messages=SIMULATED
    )
    shared = {name: getattr(plain, name) for name in ("interarrival", "service", "messages")}
    one = PublishSubscribe(subscribers=1, prefetch=1, **shared)
    broker_alone = _with_callback(prefetch=1)

    def alone() -> None:
        for _ in range(SIMULATED // MESSAGES):
            broker_alone()

    contenders: dict[str, Callable[[], object]] = {
        "PublishSubscribe, one subscriber": partial(one.run, 1),
        "the same in a network, 10 ms each way": partial(one.replace(network=0.01).run, 1),
        "the broker alone, without simulation": alone,
    }
    pair = whole(partial(plain.run, 1, "simpy"), SIMULATED)
    found = {name: compare(pair, whole(work, SIMULATED), 5) for name, work in contenders.items()}
    first = next(iter(found))
    rows: list[tuple[object, ...]] = [
        ("PointToPoint", "1", figure(found[first].baseline * 1e6), "", "")
    ]
    rows += [
        (
            name,
            times(each.ratio),
            figure(each.contender * 1e6),
            each.ratio.count,
            at_most(TWICE, each.ratio.median) if name == first else "",
        )
        for name, each in found.items()
    ]
    return Table(
        title="The broker on simulated time",
        about=(
            f"M/M/1 at load 0.8, {SIMULATED:,} messages by SimPy processes, from the publisher "
            "through the broker to a subscriber that acks. What a message costs beside one of "
            "`PointToPoint`, whose queue has no exchange before it; and what the broker's part of "
            "that is."
        ),
        columns=("model", "× PointToPoint", "µs per message", "slices", "goal"),
        rows=rows,
    )


def _through_deque() -> None:
    waiting: deque[bytes] = deque()
    append, popleft = waiting.append, waiting.popleft
    for _ in range(MESSAGES):
        append(BODY)
        popleft()


def _broker() -> Broker:
    broker = Broker()
    broker.declare_exchange("events", type="topic")
    broker.declare_queue("billing")
    broker.bind("billing", "events", "order.*")
    return broker


def _with_callback(
    prefetch: int = 0, auto_ack: bool = False, persistent: bool = False
) -> Callable[[], None]:
    broker = _broker()
    channel = broker.channel()
    publish, ack = broker.publish, channel.ack

    def done(delivery: Delivery) -> None:
        if not auto_ack:
            ack(delivery.delivery_tag)

    channel.consume("billing", done, prefetch=prefetch, auto_ack=auto_ack)

    def work() -> None:
        for _ in range(MESSAGES):
            publish("events", "order.created", BODY, persistent=persistent)

    return work


def _with_get() -> Callable[[], None]:
    broker = _broker()
    channel = broker.channel()
    publish, get, ack = broker.publish, channel.get, channel.ack

    def work() -> None:
        for _ in range(MESSAGES):
            publish("events", "order.created", BODY)
            ack(get("billing").delivery_tag)

    return work


def _patterns(count: int) -> list[str]:
    return [f"*.site{number}.#" for number in range(count)]


def _routed(count: int) -> Callable[[], None]:
    broker = Broker()
    broker.declare_exchange("events", type="topic")
    for number in range(QUEUES):
        broker.declare_queue(str(number))
    for number, pattern in enumerate(_patterns(count)):
        broker.bind(str(number % QUEUES), "events", pattern)
    keys = [f"order.site{number * 7 % count}.created" for number in range(ROUTED)]
    publish, get = broker.publish, broker.get

    def work() -> None:
        for key in keys:
            (queue,) = publish("events", key, BODY)
            get(queue)

    return work


def _scan(patterns: list[str]) -> None:
    for number in range(SCANNED):
        key = f"order.site{number}.created"
        if sum(topic_matches(pattern, key) for pattern in patterns) != 1:
            raise AssertionError(key)
