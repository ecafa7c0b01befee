"""Random topologies, built in both brokers: every message reaches the same queues."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from simlib.broker import Broker, UnroutableError

TYPES = ["direct", "fanout", "topic", "headers"]
WORDS = ["a", "b", ""]
MESSAGES = 12


def _key(rng: Random) -> str:
    return ".".join(rng.choices(WORDS, k=rng.randint(0, 3)))


def _pattern(rng: Random) -> str:
    return ".".join(rng.choices([*WORDS, "*", "#"], k=rng.randint(0, 3)))


def _headers(rng: Random) -> dict[str, Any]:
    names = rng.sample(["h", "i", "x-j"], k=rng.randint(0, 3))
    return {name: rng.choice([1, True, "1", None]) for name in names}


def _arguments(rng: Random) -> dict[str, Any]:
    match = rng.choice(["all", "any", "all-with-x", "any-with-x", None])
    return {**_headers(rng), **({} if match is None else {"x-match": match})}


def _build(brokers: list[Any], rng: Random, prefix: str) -> tuple[list[str], list[str]]:
    """The same exchanges, queues and bindings in each broker; some bindings are undone again."""
    exchanges = [f"{prefix}x{number}" for number in range(4)]
    queues = [f"{prefix}q{number}" for number in range(4)]
    for name in exchanges:
        kind = rng.choice(TYPES)
        alternate = rng.choice([*exchanges, None, None])
        for broker in brokers:
            broker.declare_exchange(name, kind, alternate_exchange=alternate)
    for name in queues:
        for broker in brokers:
            broker.declare_queue(name)
    bindings = [
        (
            rng.choice(["bind", "bind", "bind_exchange"]),
            rng.choice(exchanges),
            _pattern(rng),
            _arguments(rng),
        )
        for _ in range(24)
    ]
    for method, source, pattern, arguments in bindings:
        target = rng.choice(queues if method == "bind" else exchanges)
        undo = rng.random() < 0.15
        for broker in brokers:
            getattr(broker, method)(target, source, pattern, arguments)
            if undo:
                getattr(broker, f"un{method}")(target, source, pattern, arguments)
    return exchanges, queues


@pytest.mark.parametrize("seed", range(12))
def test_both_brokers_route_alike(rabbitmq: Any, seed: int) -> None:
    rng = Random(seed)
    ours, theirs = Broker(), rabbitmq.broker
    exchanges, queues = _build([ours, theirs], rng, rabbitmq.name(""))
    expected: Counter[tuple[str, bytes]] = Counter()
    for number in range(MESSAGES):
        exchange, body = rng.choice(exchanges), b"%d" % number
        options = {"headers": _headers(rng), "mandatory": rng.random() < 0.5}
        key = _key(rng)
        try:
            reached = ours.publish(exchange, key, body, **options)
        except UnroutableError:
            with pytest.raises(UnroutableError):
                theirs.publish(exchange, key, body, **options)
        else:
            theirs.publish(exchange, key, body, **options)
            expected.update((queue, body) for queue in reached)
    found = Counter((queue, body) for queue in queues for body in rabbitmq.bodies(queue))
    assert found == expected
    assert sum(expected.values()) > 0
