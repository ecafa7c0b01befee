"""Orders that cross three databases: every crash point, money and stock at rest, and staleness."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import Exponential, Trace
from simlib.analysis import explain, replicate
from simlib.scenarios import Consistency, InvariantError
from simlib.scenarios import consistency as module
from simlib.stores import INVARIANTS, PATTERNS
from simlib.theory import UnstableError, polled_outbox

ONE = Consistency(interarrival=Trace(times=[0.5]), restart=2.0)
SAGA = ONE.replace(pattern="orchestrated saga")


def broken(scenario: Consistency, **changes: Any) -> list[str]:
    """The steps of one order after which a crash breaks an invariant."""
    base = scenario.replace(**changes)
    return [step for step in base.steps if base.replace(crash_after=step).run().summary()["broken"]]


@pytest.mark.parametrize(
    ("refuse", "steps", "not_idempotent", "pending"),
    [
        (None, 12, ["create", "reserve", "charge"], 10),
        ("card", 13, ["create", "reserve", "release"], 11),
        ("stock", 8, ["create"], 6),
    ],
)
def test_the_table_of_the_orchestrated_saga(
    refuse: str | None, steps: int, not_idempotent: list[str], pending: int
) -> None:
    saga = SAGA.replace(refuse=refuse)
    assert len(saga.steps) == steps
    assert broken(saga) == []
    assert broken(saga, dedup="none") == not_idempotent
    assert broken(saga, recovery=False) == list(saga.steps[:pending])
    for place, step in enumerate(saga.steps):
        crashed = saga.replace(recovery=False, crash_after=step).run()
        assert crashed.summary()["pending"] == (place < pending)


@pytest.mark.parametrize(
    ("pattern", "changes", "expected"),
    [
        ("commit, publish", {}, ["commit"]),
        ("publish, commit", {}, []),
        ("publish, commit", {"recovery": False}, ["publish"]),
        ("outbox", {}, []),
        ("outbox", {"polling": None}, []),
        ("outbox", {"dedup": "none"}, ["commit", "reply", "publish", "reserve", "charge"]),
        ("outbox", {"dedup": "effect, note"}, ["reserve", "charge"]),
        ("outbox", {"dedup": "note, effect"}, ["reserve noted", "charge noted"]),
        ("choreographed saga", {}, []),
        ("choreographed saga", {"refuse": "card"}, []),
        ("choreographed saga", {"refuse": "stock", "polling": None}, []),
    ],
)
def test_which_crashes_a_pattern_does_not_bear(
    pattern: str, changes: dict[str, Any], expected: list[str]
) -> None:
    assert sorted(broken(ONE, pattern=pattern, **changes)) == sorted(expected)


@pytest.mark.parametrize(
    ("fields", "figures"),
    [
        (
            {"pattern": "commit, publish", "crash_after": "commit"},
            {"orders": 1, "events": 0, "missing": 1, "phantom": 0, "lost": 1, "broken": 2},
        ),
        (
            {"pattern": "publish, commit", "crash_after": "publish", "recovery": False},
            {"orders": 0, "events": 1, "missing": 0, "phantom": 1, "broken": 2},
        ),
        (
            {"pattern": "publish, commit", "crash_after": "publish"},
            {"orders": 1, "events": 2, "doubled": 0, "broken": 0},
        ),
        (
            {"crash_after": "publish"},
            {"orders": 1, "events": 2, "doubled": 0, "broken": 0},
        ),
        ({"crash_after": "mark"}, {"orders": 1, "events": 1, "doubled": 0}),
        (
            {"crash_after": "publish", "dedup": "none"},
            {"orders": 1, "events": 2, "doubled": 1, "broken": 2},
        ),
        (
            {"pattern": "commit, publish", "crash_after": "reply", "dedup": "none"},
            {"orders": 2, "events": 2, "doubled": 1, "broken": 1},
        ),
        (
            {"crash_after": "read", "recovery": False},
            {"orders": 1, "events": 0, "missing": 1, "unfinished": 1},
        ),
    ],
)
def test_one_order_by_hand(fields: dict[str, Any], figures: dict[str, float]) -> None:
    summary = ONE.replace(**fields).run().summary()
    assert dict(summary[list(figures)]) == figures


def test_when_one_order_gets_there() -> None:
    # Asked for at 0.5, seen by the relay at 1, published and under way for 25 ms.
    assert ONE.run().columns["finished"].tolist() == pytest.approx([1.025])
    assert ONE.replace(polling=None).run().columns["finished"].tolist() == pytest.approx([0.525])
    # The relay crashes after the publish; the event is on its way all the same.
    sent = ONE.replace(crash_after="publish").run()
    assert sent.columns["finished"].tolist() == pytest.approx([1.025])
    # It crashes before, and is back 2 s later.
    late = ONE.replace(crash_after="read").run()
    assert late.columns["finished"].tolist() == pytest.approx([3.025])
    # A saga asks stock and bank, there and back.
    assert SAGA.run().columns["finished"].tolist() == pytest.approx([0.58])


@pytest.mark.parametrize(("rate", "expected"), [(10, 0.578), (50, 0.858)])
def test_the_staleness_of_a_polled_outbox(rate: float, expected: float) -> None:
    formula = polled_outbox(rate, polling=1, publish_time=0.005, delivery=0.02).staleness
    assert formula == pytest.approx(expected, abs=0.0005)
    scenario = Consistency(messages=800, warmup=100).replace(arrival_rate=rate)
    assert scenario.forecast().predicted["staleness_mean"] == pytest.approx(formula)
    values = replicate(scenario, 8, seed=1)["staleness_mean"]
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert error < 0.02
    assert abs(values.mean() - formula) < 4 * error


def test_a_read_is_stale_as_often_as_the_formula_says() -> None:
    # 2,000 orders: a standard error of at most 0.011.
    scenario = Consistency(messages=2_000, put_cost=0.0)
    latency = scenario.run(3).latency
    relay = polled_outbox(10, polling=1, publish_time=0, delivery=0.02)
    for after in (0.01, 0.27, 0.52, 0.77, 1.1):
        assert (latency > after).mean() == pytest.approx(relay.stale(after), abs=0.045)
    assert relay.stale(0.52) == pytest.approx(0.5)
    assert (relay.stale(0.01), relay.stale(1.03)) == (1, 0)
    told = polled_outbox(10, polling=0, publish_time=0.001, delivery=0.02)
    assert (told.stale(0.01), told.stale(0.03)) == (1, 0)


def test_a_relay_that_is_slower_than_the_orders_has_no_formula() -> None:
    with pytest.raises(UnstableError):
        polled_outbox(10, polling=1, publish_time=0.1)
    slow = Consistency(put_cost=0.2, messages=50)
    assert slow.forecast().model == "none"
    assert slow.run().ledger.acked == 50
    assert "polled outbox" in str(explain(Consistency(messages=5)))
    assert Consistency(pattern="commit, publish").forecast().model == "none"


def test_orders_are_asked_for_until_the_end_and_all_are_carried_through() -> None:
    result = Consistency(messages=None, duration=20.0).run(1)
    ledger = result.ledger
    assert 100 < ledger.published == ledger.acked
    assert result.columns["created"].max() < 20 < result.duration


def test_a_crash_by_chance_comes_as_often_as_it_should() -> None:
    scenario = Consistency(
        messages=2_000, polling=None, crash_after="publish", crashing=0.2, restart=0.0
    )
    summary = scenario.run(1).summary()
    # Geometric: 0.2 / 0.8 more of each, with a standard error of 0.0125.
    assert summary["events"] / 2_000 - 1 == pytest.approx(0.25, abs=0.05)
    assert summary["broken"] == summary["lost"] == 0


def test_the_same_seed_gives_the_same_run() -> None:
    scenario = Consistency(messages=50, pattern="choreographed saga", crash_after="reserve")
    first, second = (scenario.run(7).summary() for _ in range(2))
    assert first.equals(second)


def fields() -> st.SearchStrategy[dict[str, Any]]:
    def of(pattern: str) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries(
            {
                "pattern": st.just(pattern),
                "refuse": st.sampled_from([None, "card", "stock"] if "saga" in pattern else [None]),
                "dedup": st.sampled_from(PATTERNS[pattern].choices),
                "polling": st.sampled_from([None, 0.3, 2.0]),
                "recovery": st.booleans(),
                "restart": st.sampled_from([0.0, 0.7]),
                "crashing": st.sampled_from([None, 0.3]),
                "messages": st.integers(1, 12),
            }
        )

    return st.sampled_from(sorted(PATTERNS)).flatmap(of)


@settings(max_examples=60, deadline=None)
@given(fields(), st.integers(0, 100), st.integers(0, 2**32))
def test_whatever_crashes_what_is_promised_holds_and_every_order_is_accounted_for(
    fields: dict[str, Any], place: int, seed: int
) -> None:
    base = Consistency(**{**fields, "crashing": None})
    step = [None, *base.steps][place % (1 + len(base.steps))]
    crashing = fields["crashing"] if step else None
    scenario = base.replace(crash_after=step, crashing=crashing)
    result = scenario.run(seed)  # raises if a promised invariant is broken
    summary, ledger = result.summary(), result.ledger
    if set(scenario.promised) == set(INVARIANTS):
        assert summary["broken"] == 0
        assert ledger.acked == ledger.published == scenario.messages
        assert summary["pending"] == summary["missing"] == summary["phantom"] == 0
    counts = result.messages["outcome"].value_counts()
    assert counts["acked"] == ledger.acked
    assert counts["lost"] == ledger.lost
    assert (result.series >= 0).all(axis=None)
    assert result.series["in_system"].iloc[-1] <= ledger.ready


def test_a_promise_that_is_broken_is_an_error_with_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MONEY", "reserved = approved")
    scenario = ONE.replace(pattern="commit, publish", crash_after="commit")
    with pytest.raises(InvariantError, match=r"reserved = approved: broken at rest by Consistency"):
        scenario.run()


def test_the_patterns_are_those_of_the_stores() -> None:
    assert get_args(module.Pattern) == tuple(PATTERNS)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"refuse": "card"}, "refuse='card' needs a saga, which can undo: pattern is 'outbox'"),
        ({"crash_after": "lunch"}, "crash_after must be one of the steps .*'mark'.*got 'lunch'"),
        ({"pattern": "orchestrated saga", "dedup": "effect, note"}, "dedup must be one of"),
        ({"crashing": 0.1}, "crashing=0.1 needs a step: give crash_after"),
        ({"crash_after": "mark", "crashing": 1.0}, "crashing"),
        ({"polling": 0.0}, "polling"),
        ({"outage": 1}, "it is crash_after"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_runs(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Consistency(**wrong)


def test_orders_come_by_any_distribution() -> None:
    result = Consistency(interarrival=Exponential(mean=2.0), messages=20, warmup=5).run(2)
    assert result.ledger.acked == 20
