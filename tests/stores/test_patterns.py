"""Each pattern, crashed after each of its steps, one order at a time: enumerated, not sampled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib.queues import MemoryQueue
from simlib.stores import (
    PATTERNS,
    CrashError,
    Once,
    Services,
    ordering_by_queues,
    settle,
)

ALWAYS = {"customer + shop is constant", "free + reserved is constant"}


def points(world: Callable[..., Any], *how: Any) -> list[str]:
    """The steps of a pattern when nothing crashes, which breaks nothing."""
    services, queues, ordering = world(*how)
    passed: list[str] = []
    settle(ordering, queues, ["k"], passed.append)
    assert services.broken() == ()
    assert services.pending() == []
    return passed


def crashed(world: Callable[..., Any], point: str, recovery: bool, *how: Any) -> Services:
    services, queues, ordering = world(*how)
    settle(ordering, queues, ["k"], Once(point), recovery=recovery)
    assert not ALWAYS & set(services.broken())
    return services


@pytest.mark.parametrize(
    ("refuse", "steps", "not_idempotent", "no_recovery"),
    [
        (None, 12, ["create", "reserve", "charge"], 10),
        ("card", 13, ["create", "reserve", "release"], 11),
        ("stock", 8, ["create"], 6),
    ],
)
def test_every_crash_point_of_the_orchestrated_saga(
    world: Any, refuse: str | None, steps: int, not_idempotent: list[str], no_recovery: int
) -> None:
    saga = "orchestrated saga"
    names = points(world, saga, refuse)
    assert len(names) == len(set(names)) == steps
    assert not [p for p in names if crashed(world, p, True, saga, refuse).broken()]
    assert [
        p for p in names if crashed(world, p, True, saga, refuse, "none").broken()
    ] == not_idempotent
    left = [crashed(world, p, False, saga, refuse).pending() for p in names]
    assert left == [["k"]] * no_recovery + [[]] * (steps - no_recovery)


@pytest.mark.parametrize(
    ("refuse", "steps", "not_idempotent"),
    [
        (
            None,
            17,
            {"create", "reply", "orders publish", "reserve", "stock publish", "charge"},
        ),
        (
            "card",
            22,
            {"create", "reply", "stock publish", "charge", "bank publish", "release"},
        ),
        ("stock", 12, {"create", "reply"}),
    ],
)
def test_every_crash_point_of_the_choreographed_saga(
    world: Any, refuse: str | None, steps: int, not_idempotent: set[str]
) -> None:
    saga = "choreographed saga"
    names = points(world, saga, refuse)
    assert len(names) == steps
    assert not [p for p in names if crashed(world, p, True, saga, refuse).broken()]
    assert {
        p for p in names if crashed(world, p, True, saga, refuse, "none").broken()
    } == not_idempotent


@pytest.mark.parametrize(
    ("pattern", "dedup", "recovery", "broken"),
    [
        ("commit, publish", "inbox", True, {"commit"}),
        ("commit, publish", "inbox", False, {"commit"}),
        ("publish, commit", "inbox", True, set()),
        ("publish, commit", "inbox", False, {"publish"}),
        ("outbox", "inbox", True, set()),
        ("outbox", "effect, note", True, {"reserve", "charge"}),
        ("outbox", "note, effect", True, {"reserve noted", "charge noted"}),
        ("outbox", "none", True, {"commit", "reply", "publish", "reserve", "charge"}),
    ],
)
def test_which_crashes_a_pattern_does_not_bear(
    world: Any, pattern: str, dedup: str, recovery: bool, broken: set[str]
) -> None:
    names = points(world, pattern, None, dedup)
    found = {p for p in names if crashed(world, p, recovery, pattern, None, dedup).broken()}
    assert found == broken


def test_a_commit_without_its_event_is_not_made_good_by_asking_again(world: Any) -> None:
    services = crashed(world, "commit", True, "commit, publish")
    assert services.orders.count() == 1
    assert services.bank.balance("shop") == 0


def test_an_event_without_its_order_is_a_phantom(world: Any) -> None:
    services = crashed(world, "publish", False, "publish, commit")
    assert services.orders.count() == 0
    assert services.bank.balance("shop") == services.price


def test_effect_first_happens_twice_and_note_first_never(world: Any) -> None:
    twice = crashed(world, "charge", True, "outbox", None, "effect, note")
    never = crashed(world, "charge noted", True, "outbox", None, "note, effect")
    assert twice.bank.balance("shop") == 2 * twice.price
    assert never.bank.balance("shop") == 0


@pytest.mark.parametrize(("point", "sent"), [("commit", 1), ("read", 1), ("publish", 2)])
def test_what_was_sent_and_not_marked_is_sent_twice(world: Any, point: str, sent: int) -> None:
    services, queues, ordering = world("outbox")
    events: list[tuple[str, str]] = []
    publish = ordering.publish
    ordering.publish = lambda event, key: (events.append((event, key)), publish(event, key))
    settle(ordering, queues, ["k"], Once(point))
    assert len(events) == sent
    assert services.broken() == ()


CASES = st.sampled_from(sorted(PATTERNS)).flatmap(
    lambda pattern: st.tuples(
        st.just(pattern),
        st.sampled_from([None, "card", "stock"] if "saga" in pattern else [None]),
        st.sampled_from(PATTERNS[pattern].choices),
    )
)


@settings(max_examples=60, deadline=None)
@given(CASES, st.sets(st.integers(0, 120), max_size=6), st.integers(1, 4), st.booleans())
def test_however_often_it_crashes_what_is_promised_holds(
    case: tuple[str, Any, Any], crashes: set[int], orders: int, recovery: bool
) -> None:
    pattern, refuse, dedup = case
    with Services(
        money=0 if refuse == "card" else 10**6, goods=0 if refuse == "stock" else 10**6
    ) as services:
        queues = {name: MemoryQueue() for name in ("orders", "stock", "bank")}
        ordering = ordering_by_queues(pattern, services, queues, dedup)
        steps = iter(range(100_000))

        def passed(point: str) -> None:
            if next(steps) in crashes:
                raise CrashError(point)

        settle(ordering, queues, [f"k{n}" for n in range(orders)], passed, recovery=recovery)
        broken = set(services.broken())
        assert not ALWAYS & broken
        safe = dedup == "inbox" and recovery and pattern != "commit, publish"
        if safe or not crashes:
            assert not broken


def test_what_there_is_not_is_refused(world: Any) -> None:
    with pytest.raises(ValueError, match="dedup must be one of"):
        world("outbox", None, "often")
    with pytest.raises(ValueError, match=r"dedup must be one of \('inbox', 'none'\) here"):
        world("orchestrated saga", None, "note, effect")


def test_a_crash_names_its_step() -> None:
    assert str(CrashError("commit")) == "crashed after 'commit'"
