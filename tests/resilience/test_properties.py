"""What each policy promises, whatever it is told."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlib.resilience import (
    AdaptiveLIFO,
    AIMDLimit,
    BoundedQueue,
    Bulkhead,
    CoDel,
    Deadline,
    DecorrelatedJitter,
    EqualJitter,
    Exponential,
    Fixed,
    FullJitter,
    GradientLimit,
    Hedge,
    LeastConnections,
    Overflow,
    Random,
    RequestCoDel,
    Retry,
    RetryBudget,
    RoundRobin,
    TokenBucket,
    TwoChoices,
    Visit,
    Wait,
)

draws = st.floats(0, 1, exclude_max=True)
seconds = st.floats(0, 1000)
gaps = st.lists(st.integers(0, 200), max_size=100)  # milliseconds from one event to the next


# Deadlines


@given(seconds, st.lists(st.tuples(seconds, seconds | st.just(inf)), max_size=6))
def test_no_callee_has_longer_than_its_caller(at: float, hops: list[tuple[float, float]]) -> None:
    deadline = Deadline(at)
    for sent, timeout in hops:
        callee = deadline.callee(sent, timeout)
        assert callee <= deadline
        assert callee.at <= sent + timeout
        assert callee in (deadline, Deadline(sent + timeout))
        deadline = callee


@given(seconds, seconds)
def test_at_the_deadline_an_answer_is_still_in_time(at: float, now: float) -> None:
    deadline = Deadline(at)
    assert not deadline.expired(at)
    assert deadline.allows(at)
    assert deadline.expired(now) == (now > at)
    assert deadline.expired(now) <= (deadline.left(now) == 0)
    assert deadline.allows(now, 0.0) != deadline.expired(now)


# Retries


@given(
    st.floats(0, 10), st.floats(0, 100), st.lists(draws, min_size=1, max_size=60), st.integers(1, 9)
)
def test_jitter_stays_within_its_bounds(
    base: float, more: float, us: list[float], attempts: int
) -> None:
    most = base + more
    exponential = list(Retry(61, Exponential(base, most)).pauses(us))
    full = list(Retry(61, FullJitter(base, most)).pauses(us))
    equal = list(Retry(61, EqualJitter(base, most)).pauses(us))
    decorrelated = list(Retry(61, DecorrelatedJitter(base, most)).pauses(us))
    for e, f, h in zip(exponential, full, equal, strict=True):
        assert 0 <= f <= e <= most
        assert e / 2 <= h <= e
    assert exponential == sorted(exponential)
    last = base
    for pause in decorrelated:
        assert base <= pause <= min(most, max(base, 3 * last) * (1 + 1e-12))
        last = pause
    assert len(list(Retry(attempts, Fixed(base)).pauses(us))) == min(attempts - 1, len(us))


@given(st.integers(1, 50), st.integers(1, 60), draws)
def test_after_the_last_attempt_it_gives_up(attempts: int, attempt: int, draw: float) -> None:
    pause = Retry(attempts, FullJitter(1, 8)).pause(attempt, draw)
    assert (pause is None) == (attempt >= attempts)


def test_growing_for_ever_is_no_error() -> None:
    assert Exponential(base=1e300, most=inf).pause(5000, 0.5) == inf
    assert Exponential(base=1e-3, most=7).pause(10**9, 0.5) == 7


def test_two_calls_do_not_share_their_last_pause() -> None:
    retry = Retry(9, DecorrelatedJitter(base=1, most=100))
    one, other = retry.pauses([0.9] * 8), retry.pauses([0.9] * 8)
    taken = [next(one) for _ in range(5)]
    assert [next(other) for _ in range(5)] == taken
    with pytest.raises(ValueError, match=r"last must be the pause .* before attempt 2"):
        retry.pause(2, 0.5)


# Budgets, buckets, limits


@given(st.floats(0, 2), st.floats(0, 5), st.floats(0, 1), st.lists(st.booleans(), max_size=200))
def test_a_budget_is_never_exceeded(
    ratio: float, maximum: float, part: float, events: list[bool]
) -> None:
    budget = RetryBudget(ratio, maximum, initial=maximum * part)
    retries = first = in_a_row = 0
    for is_first in events:
        if is_first:
            budget.earn()
            first, in_a_row = first + 1, 0
        else:
            left = budget.left
            taken = budget.take()
            assert taken == (left >= 1 - 1e-9)
            retries, in_a_row = retries + taken, in_a_row + taken
        assert retries <= maximum * part + ratio * first + 1e-6
        assert in_a_row <= maximum + 1e-6
        assert 0 <= budget.left <= maximum


@pytest.mark.parametrize("parts", [3, 5, 7, 9, 10, 30, 100, 1000])
def test_a_share_is_a_share_in_floating_point_too(parts: int) -> None:
    budget = RetryBudget(1 / parts, 5, initial=0)
    asked = [budget.take() for _ in range(20 * parts) if budget.earn() is None]
    assert asked == ([False] * (parts - 1) + [True]) * 20


@given(st.floats(0.5, 500), st.integers(1, 20), st.lists(st.integers(0, 100), max_size=200))
def test_a_bucket_never_gives_more_than_burst_and_rate(
    rate: float, burst: int, gaps: list[int]
) -> None:
    bucket = TokenBucket(rate, burst)
    now, granted = 0.0, []
    for gap in gaps:
        now += gap / 1000
        wait = bucket.wait(now)
        taken = bucket.take(now)
        assert taken == (wait == 0)
        if taken:
            granted.append(now)
        else:
            assert bucket.left(now + wait) == pytest.approx(1)
    for first in range(0, len(granted), 7):
        for last in range(first, len(granted)):
            assert last - first + 1 <= burst + rate * (granted[last] - granted[first]) + 1e-6


def test_a_bucket_is_full_at_the_start_whenever_that_is() -> None:
    for start in (-5.0, 0.0, 1e9):
        bucket = TokenBucket(rate=1, burst=3)
        assert [bucket.take(start) for _ in range(4)] == [True, True, True, False]
        assert not bucket.take(start - 1)
        assert bucket.take(start + 1)


@given(
    st.integers(1, 30),
    st.lists(st.tuples(st.integers(0, 60), st.booleans(), st.floats(1e-3, 10)), max_size=100),
)
def test_limits_stay_within_their_bounds_and_do_not_grow_when_idle(
    initial: int, answers: list[tuple[int, bool, float]]
) -> None:
    aimd = AIMDLimit(initial, 0.5, least=1, most=30)
    gradient = GradientLimit(initial, least=1, most=30)
    for in_flight, ok, latency in answers:
        before = aimd.limit, gradient.limit
        after = aimd.update(in_flight, ok), gradient.update(1.0, latency, in_flight)
        assert after == (aimd.limit, gradient.limit)
        assert 1 <= min(after) <= max(after) <= 30
        if 2 * in_flight < before[0]:
            assert after[0] <= before[0]
        if 2 * in_flight < before[1]:
            assert after[1] == before[1]


def test_a_limit_lets_so_many_in_and_no_more() -> None:
    limit = AIMDLimit(2, backoff=0.5)
    assert [limit.enter() for _ in range(3)] == [1, 2, None]
    assert limit.leave(2, ok=True) == 3
    assert limit.leave(1, ok=None) == 3
    assert limit.in_flight == 0
    with pytest.raises(ValueError, match="no call is in flight"):
        limit.leave(1, ok=True)
    assert limit.limit == 3


def test_a_gradient_limit_falls_in_an_overload_and_learns_it() -> None:
    limit = GradientLimit(50, long=1000, most=100)

    def answered(latency: float, times: int) -> float:
        for _ in range(times):
            mine = [limit.enter() for _ in range(int(limit.limit))]
            assert None not in mine
            for number in mine:
                assert number is not None
                limit.leave(number, latency)
        return limit.limit

    assert answered(0.1, 15) > 90
    assert answered(1.0, 1) < 25  # ten times as slow as usual
    assert answered(1.0, 400) > 90  # by now it is usual
    # But it is forgotten soon after the overload: what was slow before it, is slow again.
    assert answered(0.1, 3) > 90
    assert answered(0.5, 1) < 50


# Bulkheads


@given(
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(0, 400),
    st.lists(
        st.tuples(
            st.sampled_from(["enter", "leave", "give up"]), st.integers(0, 300), st.integers(0, 9)
        ),
        max_size=100,
    ),
)
def test_a_bulkhead_keeps_its_places_its_room_and_its_order(
    places: int, room: int, longest: int, steps: list[tuple[str, int, int]]
) -> None:
    bulkhead = Bulkhead(places, room, longest)
    now = 0
    inside: list[Visit] = []
    outside: deque[Visit] = deque()
    for step, gap, number in steps:
        now += gap
        if step == "enter":
            outside = deque(visit for visit in outside if visit.until > now)
            visit = bulkhead.enter(now)
            if len(inside) < places:
                assert visit is not None
                assert visit.started == now
                inside.append(visit)
            elif len(outside) < room:
                assert visit is not None
                assert (visit.started, visit.until) == (None, now + longest)
                outside.append(visit)
            else:
                assert visit is None
        elif step == "leave" and inside:
            following = bulkhead.leave(inside.pop(number % len(inside)), now)
            outside = deque(visit for visit in outside if visit.until >= now)
            assert following is (outside.popleft() if outside else None)
            if following is not None:
                assert following.started == now
                assert not bulkhead.give_up(following)
                inside.append(following)
        elif step == "give up" and outside:
            visit = outside[number % len(outside)]
            outside.remove(visit)
            assert bulkhead.give_up(visit)
        assert bulkhead.busy == len(inside) <= places
        assert bulkhead.queued <= room


def test_a_place_is_left_once() -> None:
    bulkhead = Bulkhead(1, waiting=1)
    visit = bulkhead.enter(0.0, waiter="first")
    assert visit is not None
    waiting = bulkhead.enter(0.0, waiter="second")
    assert waiting is not None
    with pytest.raises(ValueError, match="visit must have a place, got <Visit waiting"):
        bulkhead.leave(waiting, 1.0)
    following = bulkhead.leave(visit, 1.0)
    assert following is waiting
    assert waiting.waiter == "second"
    with pytest.raises(ValueError, match="visit must have a place, got <Visit started"):
        bulkhead.leave(visit, 1.0)


# Hedges


@given(st.floats(0.001, 1), st.integers(1, 4), st.integers(0, 6))
def test_so_many_copies_and_no_more(after: float, copies: int, allowed: int) -> None:
    hedge = Hedge(after, copies, RetryBudget(0, 10, initial=allowed))
    sent, due = 1, []
    while (at := hedge.due(5.0, sent)) is not None and hedge.take():
        sent += 1
        due.append(at)
    assert sent - 1 == min(copies, allowed)
    assert due == [5.0 + number * after for number in range(1, sent)]


# Queues


@given(
    st.integers(1, 4),
    st.sampled_from(["reject", "drop oldest", "block"]),
    st.lists(st.sampled_from(["put", "put", "get", "withdraw"]), max_size=80),
)
def test_a_bounded_queue_keeps_its_bound_and_loses_nothing(
    capacity: int, policy: Overflow, operations: list[str]
) -> None:
    queue: BoundedQueue[list[int]] = BoundedQueue(capacity, policy)
    let_in: list[int] = []
    waiting: deque[list[int]] = deque()
    blocked: deque[list[int]] = deque()
    for number, operation in enumerate(operations):
        item = [number]
        if operation == "put":
            put = queue.put(item, lambda number=number: let_in.append(number))
            if len(waiting) < capacity:
                assert put.outcome == "stored"
                waiting.append(item)
            elif policy == "reject":
                assert put.outcome == "rejected"
            elif policy == "drop oldest":
                assert put.outcome == "dropped"
                assert put.dropped is waiting.popleft()
                waiting.append(item)
            else:
                assert put.outcome == "blocked"
                blocked.append(item)
        elif operation == "get":
            assert queue.get() is (waiting.popleft() if waiting else None)
            if blocked:
                waiting.append(blocked.popleft())
                assert let_in.pop() == waiting[-1][0]
        elif blocked:
            assert queue.withdraw(blocked[-1])
            assert not queue.withdraw(blocked.pop())
        assert len(queue) == len(waiting) <= capacity
        assert queue.blocked == len(blocked)
        assert not let_in


@given(st.integers(1, 5), st.lists(st.booleans(), max_size=80))
def test_lifo_when_many_wait_and_fifo_when_few(threshold: int, puts: list[bool]) -> None:
    queue: AdaptiveLIFO[int] = AdaptiveLIFO(threshold)
    waiting: list[int] = []
    for number, put in enumerate(puts):
        if put:
            queue.put(number)
            waiting.append(number)
        elif waiting:
            assert queue.get() == waiting.pop(-1 if len(waiting) >= threshold else 0)
        else:
            assert queue.get() is None
        assert len(queue) == len(waiting)


@given(gaps, st.lists(st.integers(1, 200), max_size=100))
def test_codel_drops_nothing_as_long_as_waits_are_short(gaps: list[int], looks: list[int]) -> None:
    """Everything is taken within the target."""
    for queue in (CoDel[int](0.2, 0.1), RequestCoDel[int](0.2, 0.2)):
        now = 0
        for gap, look in zip(gaps, looks, strict=False):
            now += gap
            queue.put(now, now / 1000)
            now += look - 1
            assert queue.get(now / 1000).dropped == ()
            assert len(queue) == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=200))
def test_codel_drops_only_after_an_interval_of_long_waits_and_never_the_last(
    steps: list[tuple[bool, int]],
) -> None:
    queue: CoDel[int] = CoDel(0.005, 0.1)
    now, number = 0, 0
    waiting: deque[tuple[int, int]] = deque()
    short = 0  # when a wait was last short, or nobody was left
    for put, gap in steps:
        now += gap
        if put:
            queue.put(number, now / 1000)
            waiting.append((number, now))
            number += 1
            continue
        item, dropped = queue.get(now / 1000)
        assert [*dropped, *([] if item is None else [item])] == [
            waiting.popleft()[0] for _ in range(len(dropped) + (item is not None))
        ]
        assert not dropped or item is not None
        if dropped:
            assert now - short >= 100
        if not waiting or item is None:
            short = now
        assert len(queue) == len(waiting)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=200))
def test_codel_for_requests_drops_who_waited_longer_than_it_was_allowed(
    steps: list[tuple[bool, int]],
) -> None:
    queue: RequestCoDel[int] = RequestCoDel(0.005, 0.1)
    now, number, empty = 0, 0, 0
    waiting: deque[tuple[int, int, int]] = deque()
    for put, gap in steps:
        now += gap
        if put:
            if not waiting:
                empty = now
            queue.put(number, now / 1000)
            waiting.append((number, now, 5 if now - empty > 100 else 100))
            number += 1
            continue
        dropped = []
        while waiting and now - waiting[0][1] > waiting[0][2]:
            dropped.append(waiting.popleft()[0])
        item = waiting.popleft()[0] if waiting else None
        assert queue.get(now / 1000) == (item, tuple(dropped))


# Routing


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9), draws)
def test_routing_chooses_who_is_there_and_the_less_loaded(loads: list[int], draw: float) -> None:
    for routing in (Random(), RoundRobin(7), LeastConnections(), TwoChoices()):
        assert 0 <= routing.choose(loads, draw) < len(loads)
    assert loads[LeastConnections().choose(loads, draw)] == min(loads)
    if loads.count(max(loads)) == 1 < len(loads):
        assert loads[TwoChoices().choose(loads, draw)] < max(loads)


@pytest.mark.parametrize("replicas", [2, 3, 5])
def test_every_pair_is_as_likely(replicas: int) -> None:
    pairs = replicas * (replicas - 1)
    grid = [(number + 0.5) / (pairs * 10) for number in range(pairs * 10)]
    equal = [TwoChoices().choose([0] * replicas, draw) for draw in grid]
    assert {equal.count(index) for index in range(replicas)} == {len(grid) / replicas}
    # The one without load is chosen in each pair that it is in.
    idle = [TwoChoices().choose([0] + [1] * (replicas - 1), draw) for draw in grid]
    assert idle.count(0) == len(grid) * 2 / replicas


def test_round_robin_goes_round_and_survives_a_change_of_replicas() -> None:
    routing = RoundRobin(start=1)
    assert [routing.choose([0] * 3) for _ in range(4)] == [1, 2, 0, 1]
    assert [routing.choose([0] * 2) for _ in range(3)] == [0, 1, 0]


def test_nobody_to_choose_from() -> None:
    routings: list[Any] = [Random(), RoundRobin(), LeastConnections(), TwoChoices()]
    for routing in routings:
        with pytest.raises(ValueError, match="loads must have an entry per replica"):
            routing.choose([], 0.5)


def test_anything_with_a_pause_is_a_wait() -> None:
    class Fibonacci:
        def pause(self, attempt: int, draw: float, last: float | None = None) -> float:
            return (1, 1, 2, 3, 5)[attempt]

    wait: Wait = Fibonacci()
    assert list(Retry(5, wait).pauses([0.0] * 4)) == [1, 2, 3, 5]


# Instants that fall together


def test_a_place_freed_as_a_wait_ends_is_had_and_an_arrival_finds_the_room_of_who_gave_up() -> None:
    bulkhead = Bulkhead(1, waiting=1, max_wait=0.5)
    first, second = bulkhead.enter(0.0), bulkhead.enter(0.0)
    assert first is not None
    assert bulkhead.leave(first, 0.5) is second
    third = bulkhead.enter(1.0)
    assert third is not None
    assert bulkhead.enter(1.49) is None
    fourth = bulkhead.enter(1.5)
    assert fourth is not None
    assert bulkhead.give_up(third)
    assert bulkhead.queued == 1
    assert bulkhead.give_up(fourth)
    assert bulkhead.queued == 0
    assert bulkhead.give_up(fourth)


def test_a_bucket_gives_what_is_due_in_floating_point_too_and_nothing_twice() -> None:
    bucket = TokenBucket(rate=10, burst=1)
    assert all(bucket.take(number / 10) for number in range(1000))
    assert bucket.take(1000.0)
    assert not bucket.take(999.0)
    assert not bucket.take(1000.0)
    bucket = TokenBucket(rate=1, burst=2)
    assert bucket.take(10.0)
    assert bucket.take(5.0)  # told late, it is paid from what there is
    assert not bucket.take(10.5)
