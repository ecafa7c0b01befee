"""A breaker lets through what it should, refuses what it must, and is never stuck."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlib.resilience import CircuitBreaker, Ticket


def sent(breaker: CircuitBreaker, now: float) -> Ticket:
    ticket = breaker.allow(now)
    assert ticket is not None
    return ticket


def outcomes(breaker: CircuitBreaker, now: float, oks: Sequence[bool]) -> None:
    for ok in oks:
        breaker.record(sent(breaker, now), now, ok=ok)


def half_open(breaker: CircuitBreaker) -> CircuitBreaker:
    """Open it at 0; it is half-open from the first call at or after ``open_for`` on."""
    outcomes(breaker, 0.0, [False] * breaker.minimum)
    assert breaker.state == "open"
    return breaker


def small(**other: float) -> CircuitBreaker:
    return CircuitBreaker(**{"window": 2, "minimum": 2, "open_for": 5.0, "probes": 2} | other)


def test_the_share_is_asked_for_only_of_enough_outcomes() -> None:
    breaker = CircuitBreaker(rate=0.5, window=10, minimum=4)
    outcomes(breaker, 0.0, [False, False, False])
    assert breaker.state == "closed"
    outcomes(breaker, 0.0, [True])  # three of four failed, though this one didn't
    assert breaker.state == "open"


@pytest.mark.parametrize(("rate", "window", "failed"), [(0.07, 100, 7), (0.6, 5, 3), (1.0, 3, 3)])
def test_it_opens_exactly_at_the_rate(rate: float, window: int, failed: int) -> None:
    breaker = CircuitBreaker(rate=rate, window=window, minimum=window)
    outcomes(breaker, 0.0, [True] * (window - failed + 1) + [False] * (failed - 1))
    assert breaker.state == "closed"
    outcomes(breaker, 0.0, [False])
    assert breaker.state == "open"


def test_only_the_last_outcomes_count() -> None:
    breaker = CircuitBreaker(rate=0.5, window=4, minimum=2)
    outcomes(breaker, 0.0, [True, True, True, False] * 10)
    assert breaker.state == "closed"
    outcomes(breaker, 0.0, [False])
    assert breaker.state == "open"


def test_five_in_a_row_is_a_window_of_five_that_all_failed() -> None:
    breaker = CircuitBreaker(rate=1, window=5, minimum=5)
    outcomes(breaker, 0.0, [False, False, False, False, True, False, False, False, False])
    assert breaker.state == "closed"
    outcomes(breaker, 0.0, [False])
    assert breaker.state == "open"


def test_a_window_of_time_forgets_what_is_old() -> None:
    breaker = CircuitBreaker(rate=0.5, window=None, within=10.0, minimum=3)
    outcomes(breaker, 0.0, [False, False])
    outcomes(breaker, 10.0, [False])  # those of 0 are exactly too old
    assert breaker.state == "closed"
    outcomes(breaker, 19.9, [False, False])
    assert breaker.state == "open"


def test_both_windows_hold_at_once() -> None:
    breaker = CircuitBreaker(rate=1, window=2, within=10.0, minimum=2)
    outcomes(breaker, 0.0, [False])
    outcomes(breaker, 10.0, [False])
    assert breaker.state == "closed"
    outcomes(breaker, 11.0, [True, False])
    assert breaker.state == "closed"
    outcomes(breaker, 12.0, [False])
    assert breaker.state == "open"


def test_open_it_refuses_until_its_time_is_over() -> None:
    breaker = half_open(small())
    assert [breaker.allow(now) for now in (0.0, 1.0, 4.999, nan)] == [None] * 4
    assert breaker.allow(5.0) is not None
    assert breaker.state == "half_open"


@pytest.mark.parametrize(
    ("oks", "state"),
    [
        ((True, True, True), "closed"),
        ((False, True, True), "closed"),
        ((True, False, False), "open"),
        ((False, False, False), "open"),
    ],
)
def test_so_many_probes_pass_and_their_share_decides(oks: Sequence[bool], state: str) -> None:
    breaker = half_open(small(probes=3))
    tickets = [sent(breaker, 5.0) for _ in oks]
    assert breaker.allow(5.0) is None
    for ticket, ok in zip(tickets, oks, strict=True):
        assert breaker.state == "half_open"
        breaker.record(ticket, 6.0, ok=ok)
        if breaker.state == "half_open":
            assert breaker.allow(6.0) is None
    assert breaker.state == state
    assert (breaker.allow(10.999) is None) == (state == "open")


def test_one_failed_probe_may_be_enough() -> None:
    breaker = half_open(small(probes=3, failed_probes=1))
    outcomes(breaker, 5.0, [True, False])
    assert breaker.state == "open"
    outcomes(breaker, 10.0, [True, True, True])
    assert breaker.state == "closed"


def test_it_closes_with_an_empty_window() -> None:
    breaker = half_open(small())
    outcomes(breaker, 5.0, [True, True])
    assert breaker.state == "closed"
    outcomes(breaker, 6.0, [False])
    assert breaker.state == "closed"


def test_late_outcomes_say_nothing_of_now() -> None:
    breaker = small()
    early = [sent(breaker, 0.0) for _ in range(8)]
    half_open(breaker)
    breaker.record(early[0], 1.0, ok=True)
    assert breaker.allow(1.0) is None
    probe = sent(breaker, 5.0)
    breaker.record(early[1], 5.1, ok=False)
    breaker.record(early[2], 5.1, ok=False)
    assert breaker.state == "half_open"
    breaker.record(probe, 5.2, ok=True)
    outcomes(breaker, 5.2, [True])
    for ticket in early[3:]:
        breaker.record(ticket, 5.3, ok=False)
    assert breaker.state == "closed"


def test_a_probe_of_an_earlier_try_does_not_decide_the_next() -> None:
    breaker = half_open(small(failed_probes=1))
    slow, fast = sent(breaker, 5.0), sent(breaker, 5.0)
    breaker.record(fast, 5.1, ok=False)
    assert breaker.state == "open"
    assert breaker.allow(10.2) is not None
    breaker.record(slow, 10.3, ok=False)
    assert breaker.state == "half_open"


def test_the_first_outcome_of_a_call_holds() -> None:
    breaker = small()
    ticket = sent(breaker, 0.0)
    for _ in range(10):  # such as a timeout, and then an error all the same
        breaker.record(ticket, 1.0, ok=False)
    assert breaker.state == "closed"


def test_a_lost_probe_gives_its_place_back() -> None:
    breaker = half_open(small(probes=2))
    outcomes(breaker, 5.0, [True])
    sent(breaker, 6.0)  # and never heard of again
    assert breaker.allow(10.9) is None
    outcomes(breaker, 11.0, [True])
    assert breaker.state == "closed"


def test_all_probes_lost_again_and_again() -> None:
    breaker = half_open(small(probes=3))
    for start in range(5, 500, 5):
        assert sum(breaker.allow(start + part / 10) is not None for part in range(40)) == 3
    assert breaker.state == "half_open"
    assert len(repr(breaker)) < 200


def test_a_slow_probe_counts_though_its_place_was_given_away() -> None:
    breaker = half_open(small(probes=1, open_for=5.0))
    slow = sent(breaker, 5.0)
    sent(breaker, 10.0)
    breaker.record(slow, 12.0, ok=True)
    assert breaker.state == "closed"


def test_a_call_that_was_not_made_gives_its_ticket_back() -> None:
    breaker = half_open(small(probes=1))
    ticket = sent(breaker, 5.0)
    assert breaker.allow(5.0) is None
    breaker.release(ticket)
    breaker.record(ticket, 5.0, ok=False)
    outcomes(breaker, 5.0, [True])
    assert breaker.state == "closed"


def test_a_call_that_was_refused_has_no_outcome() -> None:
    breaker = half_open(small())
    with pytest.raises(TypeError, match=r"ticket must be what allow\(\) gave a call, got None"):
        breaker.record(breaker.allow(1.0), 1.0, ok=True)  # type: ignore[arg-type]


class Watched:
    """A breaker, held against its rules after each step."""

    def __init__(self, breaker: CircuitBreaker) -> None:
        self.breaker = breaker
        self.now = 0.0
        self.under_way: list[Ticket] = []
        self.enter()

    def enter(self) -> None:
        self.state, self.since = self.breaker.state, self.now
        self.heard: list[bool] = []
        self.passed: dict[Ticket, float] = {}

    def allow(self, later: int) -> None:
        self.now += later / 10
        ticket = self.breaker.allow(self.now)
        if self.state == "open":
            assert (ticket is None) == (self.now < self.since + 5)
            if ticket is not None:
                assert self.breaker.state == "half_open"
                self.enter()
        assert self.breaker.state == self.state
        if ticket is None:
            assert self.state != "closed"
            return
        self.under_way.append(ticket)
        self.passed[ticket] = self.now
        if self.state == "half_open":
            recent = [at for at in self.passed.values() if at > self.now - 5]
            assert len(recent) <= self.breaker.probes

    def release(self, ticket: Ticket) -> None:
        self.breaker.release(ticket)
        self.passed.pop(ticket, None)
        assert self.breaker.state == self.state

    def record(self, ticket: Ticket, ok: bool) -> None:
        self.breaker.record(ticket, self.now, ok)
        if ticket in self.passed:
            self.heard.append(ok)
            assert self.breaker.state == self.should_be()
        if self.breaker.state != self.state:
            assert ticket in self.passed
            self.enter()

    def should_be(self) -> str:
        breaker, heard = self.breaker, self.heard
        if self.state == "closed":
            assert breaker.window is not None
            last = heard[-breaker.window :]
            bad = len(last) >= breaker.minimum and share(last) >= breaker.rate
            return "open" if bad else "closed"
        known = len(heard) == breaker.probes
        if breaker.failed_probes is not None:
            bad = heard.count(False) >= breaker.failed_probes
        else:
            bad = known and share(heard) >= breaker.rate
        return "open" if bad else "closed" if known else "half_open"


def share(heard: list[bool]) -> float:
    return heard.count(False) / len(heard)


breakers = st.builds(
    lambda rate, window, minimum, probes, failed: CircuitBreaker(
        rate,
        window,
        min(minimum, window),
        5.0,
        probes,
        failed_probes=None if failed is None else min(failed, probes),
    ),
    rate=st.floats(0.05, 1),
    window=st.integers(1, 6),
    minimum=st.integers(1, 6),
    probes=st.integers(1, 4),
    failed=st.none() | st.integers(1, 4),
)

steps = st.lists(
    st.tuples(st.sampled_from(["allow", "allow", "ok", "failed", "release"]), st.integers(0, 30)),
    max_size=150,
)


@given(breakers, steps)
def test_it_never_lets_through_what_it_must_refuse(
    breaker: CircuitBreaker, steps: list[tuple[str, int]]
) -> None:
    watched = Watched(breaker)
    for step, number in steps:
        if step == "allow":
            watched.allow(number)
        elif watched.under_way:
            ticket = watched.under_way.pop(number % len(watched.under_way))
            if step == "release":
                watched.release(ticket)
            else:
                watched.record(ticket, step == "ok")
