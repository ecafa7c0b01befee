"""Values are values, everything prints in a line, and bad arguments are refused in words."""

from __future__ import annotations

import copy
import doctest
import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from fractions import Fraction
from math import inf, nan
from typing import Any

import numpy as np
import pytest

from simlib import resilience
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
    Exponential,
    Fixed,
    FullJitter,
    GradientLimit,
    Hedge,
    LeastConnections,
    Put,
    Random,
    RequestCoDel,
    Retry,
    RetryBudget,
    RoundRobin,
    TokenBucket,
    TwoChoices,
)

VALUES: list[Callable[[], Any]] = [
    lambda: Deadline(1.5),
    lambda: Fixed(0.5),
    lambda: Exponential(base=0.1, most=10),
    lambda: FullJitter(base=0.1, most=10),
    lambda: EqualJitter(base=0.1, most=10),
    lambda: DecorrelatedJitter(base=0.1, most=inf),
    lambda: Retry(3, FullJitter(0.1, 10)),
    lambda: Hedge(0.1, copies=2),
    Random,
    LeastConnections,
    TwoChoices,
]

STATEFUL: list[Callable[[], Any]] = [
    RetryBudget,
    CircuitBreaker,
    lambda: CircuitBreaker(window=None, within=10.0, failed_probes=1),
    lambda: CircuitBreaker().allow(0.0),
    lambda: Bulkhead(2, 3, 0.5),
    lambda: Bulkhead(2).enter(0.0),
    lambda: TokenBucket(10, 5),
    AIMDLimit,
    GradientLimit,
    lambda: BoundedQueue(5, "block"),
    lambda: AdaptiveLIFO(3),
    CoDel,
    RequestCoDel,
    RoundRobin,
]


@pytest.mark.parametrize("make", VALUES)
def test_values_are_equal_if_their_parts_are_and_never_change(make: Callable[[], Any]) -> None:
    value = make()
    assert value == make()
    assert hash(value) == hash(make())
    assert value == copy.deepcopy(value) == pickle.loads(pickle.dumps(value))  # noqa: S301
    assert eval(repr(value), vars(resilience) | {"inf": inf}) == value
    for name in [*getattr(value, "__dataclass_fields__", ()), "draw"]:
        with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
            setattr(value, name, 1)


def test_different_rules_are_different_values() -> None:
    values = [make() for make in VALUES]
    assert all(one != other for number, one in enumerate(values) for other in values[:number])
    assert Exponential(0.1, 10) != FullJitter(0.1, 10)
    assert Retry(3) != Retry(4)


@pytest.mark.parametrize("make", STATEFUL)
def test_what_has_a_state_is_itself_and_prints_in_a_line(make: Callable[[], Any]) -> None:
    one, other = make(), make()
    assert one != other
    assert repr(one) == repr(other)
    assert "\n" not in repr(one)
    assert len(repr(one)) < 160
    assert type(one).__name__ in repr(one)


def test_what_they_print_is_how_they_are() -> None:
    breaker = CircuitBreaker(0.5, 2, 1, 5, 1)
    ticket = breaker.allow(0.0)
    assert ticket is not None
    breaker.record(ticket, 0.0, ok=False)
    assert repr(breaker) == (
        "CircuitBreaker(rate=0.5, window=2, minimum=1, open_for=5.0, probes=1, state='open')"
    )
    assert repr(ticket) == "<Ticket of round 0, spent>"
    assert repr(RetryBudget(0.2, 10)) == "RetryBudget(ratio=0.2, maximum=10.0, left=10.0)"
    bulkhead = Bulkhead(1, 1, 0.5)
    visits = bulkhead.enter(0.0), bulkhead.enter(0.0)
    assert repr(visits) == "(<Visit started at 0.0>, <Visit waiting until 0.5>)"
    assert repr(bulkhead) == "Bulkhead(places=1, waiting=1, max_wait=0.5, busy=1, queued=1)"
    assert [str(put) for put in (Put("stored"), Put("dropped", 7))] == ["stored", "dropped 7"]


NO_NUMBERS: list[Any] = ["1", None, True, [1]]


@pytest.mark.parametrize(
    ("make", "name", "allowed", "wrong"),
    [
        (Deadline, "at", "a number of seconds", [nan]),
        (Fixed, "seconds", ">= 0", [-1, nan, inf]),
        (lambda x: Exponential(x, 10), "base", ">= 0", [-1, nan, inf]),
        (lambda x: FullJitter(1, x), "most", ">= 1, infinity too", [0.9, nan, -inf]),
        (lambda x: EqualJitter(1, x), "most", ">= 1, infinity too", [0.9, nan]),
        (lambda x: DecorrelatedJitter(x, 10), "base", "a number of seconds >= 0", [-1]),
        (Retry, "attempts", "a whole number >= 1", [0, -1]),
        (RetryBudget, "ratio", ">= 0", [-0.1, nan, inf]),
        (lambda x: RetryBudget(maximum=x), "maximum", ">= 0", [-1, inf]),
        (lambda x: CircuitBreaker(rate=x), "rate", "> 0 and <= 1", [0, 1.1, 50, nan]),
        (lambda x: CircuitBreaker(minimum=x), "minimum", "outcomes >= 1", [0]),
        (lambda x: CircuitBreaker(open_for=x), "open_for", "> 0, but finite", [0, -1, inf, nan]),
        (lambda x: CircuitBreaker(probes=x), "probes", "calls >= 1", [0]),
        (Bulkhead, "places", "calls >= 1", [0]),
        (lambda x: Bulkhead(1, x), "waiting", "calls >= 0", [-1]),
        (lambda x: Bulkhead(1, 1, x), "max_wait", "seconds >= 0, infinity too", [-1, nan]),
        (Hedge, "after", "seconds >= 0", [-0.1, nan, inf]),
        (lambda x: Hedge(1, x), "copies", ">= 1", [0]),
        (TokenBucket, "rate", "tokens per second > 0", [0, -1, nan, inf]),
        (lambda x: TokenBucket(1, x), "burst", "tokens >= 1", [0.5, nan, inf]),
        (BoundedQueue, "capacity", "items >= 1", [0]),
        (AdaptiveLIFO, "threshold", "items >= 1", [0]),
        (CoDel, "target", "seconds > 0", [0, nan]),
        (lambda x: CoDel(1, x), "interval", "seconds > 0", [0, nan]),
        (lambda x: RequestCoDel(1, x), "interval", "seconds >= 1", [0.5]),
        (AIMDLimit, "initial", "calls >= 1", [0]),
        (lambda x: AIMDLimit(1, x), "backoff", "> 0", [0, 1.5]),
        (GradientLimit, "initial", "calls >= 1", [0, inf]),
        (lambda x: GradientLimit(1, x), "tolerance", ">= 1", [0.9]),
        (lambda x: GradientLimit(1, 1, x), "smoothing", "> 0 and <= 1", [0, 2]),
        (lambda x: GradientLimit(1, 1, 1, x), "queue", ">= 0", [-1]),
        (lambda x: GradientLimit(long=x), "long", ">= 1", [0]),
    ],
)
def test_bad_numbers_are_refused_with_name_value_and_what_is_allowed(
    make: Callable[[Any], Any], name: str, allowed: str, wrong: list[Any]
) -> None:
    for values, error in ((wrong, ValueError), (NO_NUMBERS, TypeError)):
        for value in values:
            with pytest.raises(error) as caught:
                make(value)
            assert str(caught.value).startswith(f"{name} must be ")
            assert allowed in str(caught.value)
            assert str(caught.value).endswith(f"got {value!r}")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: CircuitBreaker(window=5, minimum=6), "minimum must be <= window, 5, got 6"),
        (lambda: CircuitBreaker(window=None), "window must be .* or within be given"),
        (lambda: CircuitBreaker(probes=2, failed_probes=3), "failed_probes must be <= probes, 2"),
        (lambda: CircuitBreaker(window=0), "window must be a whole number of outcomes >= 1, got 0"),
        (lambda: CircuitBreaker(within=0), "within must be a number of seconds > 0.* got 0"),
        (lambda: RetryBudget(maximum=3, initial=4), "initial must be .* <= 3, got 4"),
        (lambda: AIMDLimit(backoff=1.0), "backoff must be < 1, got 1.0"),
        (lambda: AIMDLimit(300), "initial must be .* <= 200, got 300"),
        (lambda: AIMDLimit(5, least=6), "initial must be a number of calls >= 6"),
        (lambda: GradientLimit(least=50, most=40), "most must be a number of calls >= 50"),
        (lambda: GradientLimit().update(0.1, 0.0, 1), "now must be a number > 0.* got 0.0"),
        (lambda: BoundedQueue(1, "drop newest"), "policy must be one of .*'block'.*got 'drop newe"),  # type: ignore[arg-type]
        (lambda: TokenBucket(1, 5).take(0.0, 6), "tokens must be > 0 and <= the burst, 5.0, got 6"),
        (lambda: TokenBucket(1, 5).wait(0.0, 0), "tokens must be > 0 and <= the burst, 5.0, got 0"),
        (lambda: Retry().pause(0, 0.5), "attempt must be a whole number >= 1, got 0"),
        (lambda: FullJitter(1, 2).pause(1, 1.0), "draw must be >= 0 and < 1.*, got 1.0"),
        (lambda: Random().choose([1], -0.1), "draw must be >= 0 and < 1.*, got -0.1"),
        (lambda: Deadline(1).callee(0.0, -1), "timeout must be a number of seconds >= 0.* got -1"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Retry(3, 0.5), r"wait must be Fixed\(\.\.\.\).*, got 0.5"),  # type: ignore[arg-type]
        (lambda: Retry(3, Fixed), "wait must be Fixed.*, got <class"),  # type: ignore[arg-type]
        (lambda: Hedge(1, 1, 0.2), r"budget must be RetryBudget\(...\) or None, got 0.2"),  # type: ignore[arg-type]
        (lambda: BoundedQueue(1).put(None), "item must not be None"),
        (lambda: CoDel().put(None, 0.0), "item must not be None"),
    ],
)
def test_what_is_of_the_wrong_kind_is_refused(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        make()


def test_numbers_of_other_kinds_are_numbers() -> None:
    assert Fixed(np.float32(0.5)) == Fixed(Fraction(1, 2)) == Fixed(0.5)  # type: ignore[arg-type]
    assert Retry(np.int64(3)) == Retry(3)  # type: ignore[arg-type]
    assert repr(Fixed(1)) == "Fixed(seconds=1.0)"


def test_the_examples_in_the_docstrings() -> None:
    tried = doctest.testmod(resilience)
    assert tried.failed == 0
    assert tried.attempted >= 3
    examples = 0
    for module in pkgutil.iter_modules(resilience.__path__, "simlib.resilience."):
        result = doctest.testmod(importlib.import_module(module.name))
        assert result.failed == 0
        examples += result.attempted
    assert examples >= 25


def test_the_room_names_all_that_its_modules_do() -> None:
    named = set()
    for info in pkgutil.iter_modules(resilience.__path__, "simlib.resilience."):
        if not info.name.endswith(".checks"):
            named |= set(importlib.import_module(info.name).__all__)
    assert set(resilience.__all__) == named
    assert resilience.__all__ == sorted(resilience.__all__)
    classes = [each for each in map(vars(resilience).get, named) if isinstance(each, type)]
    assert len(classes) > 20
    assert all(map(inspect.getdoc, classes))
