"""Ten seconds down, and what becomes of it: known answers, accounts, and the same work for all."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import Deterministic, Exponential, Outage, ParameterError, Trace
from simlib.analysis import calls_over_time
from simlib.scenarios import Backoff, Overload

HANG = Outage(of="service", kind="hang", start=20.0, duration=10.0)
CRASH = Outage(of="service", start=20.0, duration=10.0)
RESTART = Outage(of="service", start=60.0, duration=0.0)


def constant(seconds: int, rate: int = 280, **changes: Any) -> Overload:
    """One server, constant work, 300 calls per second at most; call i at (i + 0.37)/rate."""
    return Overload(
        interarrival=Trace((np.arange(rate * seconds) + 0.37) / rate),
        **{"service": 1 / 300, "workers": 1, "duration": seconds, "outages": (HANG,), **changes},
    )


def random(**changes: Any) -> Overload:
    """Thirty workers, exponential work of 0.1 s, Poisson arrivals, 180 s."""
    return Overload(**{"duration": 180.0, "outages": (HANG,), **changes})


# One server without chance: how many seconds' calls are lost, and since when 99 % are in time


@pytest.mark.parametrize(
    ("changes", "lost", "recovered"),
    [
        ({"retries": 0}, 135.1, 156),
        ({"late": "cancelled"}, 31.7, 72),
        ({"skip_below": 0.1}, 8.3, 30),
        ({"bound": 300}, 10.0, 30),
        ({"order": "lifo"}, 9.0, 32),
        ({"order": "adaptive"}, 9.0, 32),
        ({"order": "codel"}, 10.0, 31),
        ({"limit": "aimd"}, 10.6, 31),
        ({"breaker": 5.0}, 12.2, 33),
        ({"breaker": 60.0}, 61.2, 82),
        ({"outages": (CRASH,)}, 10.0, 30),
    ],
    ids=str,
)
def test_remedies_without_chance(changes: dict[str, Any], lost: float, recovered: float) -> None:
    result = constant(recovered + 6, **changes).run()
    assert result.ledger.lost / 280 == pytest.approx(lost, abs=0.06)
    assert result.extras["recovered_at"] == recovered


@pytest.mark.parametrize(
    "changes",
    [{"backoff": Backoff()}, {"budget": 0.2}, {"bound": 310}, {"rate_limit": 290.0}],
    ids=str,
)
def test_what_does_not_help(changes: dict[str, Any]) -> None:
    summary = constant(36, **changes).run().summary()
    assert summary["recovered_at"] == inf
    assert summary["completed"] < 22 * 280


def test_a_restart_helps_only_without_retries() -> None:
    short = Outage(of="service", kind="hang", start=5.0, duration=10.0)
    restart = Outage(of="service", start=20.0, duration=0.0)
    again = constant(40, outages=(short, restart)).run()
    assert again.summary()["recovered_at"] == inf
    answered = calls_over_time(again)["answered"]
    assert answered[20] > 200  # It works for a moment.
    assert answered[22:].sum() == 0
    assert constant(40, outages=(short, restart), retries=0).run().extras["recovered_at"] == 20


@pytest.mark.parametrize(("hang", "recovered"), [(0.99, 0), (1.01, inf)])
def test_a_hang_just_longer_than_the_timeout_is_enough(hang: float, recovered: float) -> None:
    outage = Outage(of="service", kind="hang", start=5.0, duration=hang)
    found = constant(40, outages=(outage,)).run().extras["recovered_at"]
    assert found == recovered


@pytest.mark.parametrize(("hang", "recovers"), [(2.9, True), (3.05, False)])
def test_a_longer_timeout_takes_a_longer_hang(hang: float, recovers: bool) -> None:
    outage = Outage(of="service", kind="hang", start=5.0, duration=hang)
    found = constant(60, timeout=3.0, outages=(outage,)).run().extras["recovered_at"]
    assert (found < inf) == recovers


def arriving(*rates: tuple[float, float]) -> Trace:
    """Calls at a rate (1/s) until a time (s), then at another until another, without chance."""
    times, start = [], 0.0
    for rate, until in rates:
        times.append(start + (np.arange(round(rate * (until - start))) + 0.37) / rate)
        start = until
    return Trace(np.concatenate(times))


@pytest.mark.parametrize(("seconds", "recovers"), [(1.0, True), (2.0, False)])
def test_two_seconds_of_twice_the_load_are_enough(seconds: float, recovers: bool) -> None:
    load = arriving((280, 5), (560, 5 + seconds), (280, 60))
    found = constant(60, outages=()).replace(interarrival=load).run().summary()
    assert (found["unfinished"] < 280) == recovers


@pytest.mark.parametrize(("left", "empty"), [(28, 241), (70, inf)])
def test_when_the_backlog_of_less_load_is_gone(left: int, empty: float) -> None:
    """It has grown by 4 x 280 - 300 per second since 20 s, and goes by 300 - 4 x what is left."""
    load = arriving((280, 60), (left, 300))
    result = constant(300).replace(interarrival=load).run()
    good = calls_over_time(result)["in_time"]
    back = np.flatnonzero(good[60:295] >= 0.99)
    if empty == inf:
        assert not len(back)
    else:
        assert 60 + back[0] == pytest.approx(empty, abs=6)


@pytest.mark.parametrize(("rate", "recovers"), [(73, True), (77, False)])
def test_retries_sustain_it_above_a_quarter_of_the_capacity(rate: int, recovers: bool) -> None:
    outage = Outage(of="service", kind="hang", start=5.0, duration=3.0)
    found = constant(100, rate=rate, outages=(outage,)).run().extras["recovered_at"]
    assert (found < inf) == recovers


@pytest.mark.parametrize(
    ("rate", "changes", "amplified"), [(200, {"retries": 0}, 1.0), (200, {"budget": 0.2}, 1.2)]
)
def test_when_it_ends(rate: int, changes: dict[str, Any], amplified: float) -> None:
    outage = Outage(of="service", kind="hang", start=5.0, duration=5.0)
    found = constant(40, rate=rate, outages=(outage,), **changes).run().extras["recovered_at"]
    ends = 10 + (rate * amplified * 5 - 300 * 1) / (300 - rate * amplified)
    assert found == pytest.approx(ends, abs=3)


# Thirty workers and chance


def test_skipping_helps_who_asks_for_the_time_that_the_work_takes() -> None:
    answered = {}
    for skip_below, new_work in ((None, True), (0.3, True), (0.3, False)):
        run = random(duration=48.0, late="skipped", skip_below=skip_below, new_work=new_work).run(1)
        answered[skip_below, new_work] = calls_over_time(run)["in_time"][42:44].mean()
    assert answered[None, True] < 0.05
    assert answered[0.3, True] > 0.98
    # If a call that takes long takes long each time, that is not enough: it fails four times.
    assert 0.5 < answered[0.3, False] < 0.9


# Accounts


@st.composite
def overloads(draw: st.DrawFn) -> Overload:
    maybe = st.none
    start, length = draw(st.floats(0, 6)), draw(st.floats(0, 4))
    outage = draw(
        st.sampled_from(
            [
                Outage(of="service", start=start, duration=length),
                Outage(of="service", kind="hang", start=start, duration=length),
                Outage(of="service", kind="slow", start=start, duration=length, factor=3.0),
            ]
        )
    )
    return Overload(
        interarrival=Exponential(0.05),
        service=draw(st.sampled_from([Exponential(0.1), Deterministic(0.05)])),
        workers=draw(st.integers(1, 3)),
        replicas=draw(st.integers(1, 3)),
        routing=draw(st.sampled_from(["random", "round robin", "least", "two choices"])),
        timeout=draw(maybe() | st.sampled_from([0.1, 0.5, 1.0])),
        deadline=draw(maybe() | st.sampled_from([0.3, 1.0, 2.0])),
        retries=draw(st.integers(0, 4)),
        backoff=draw(
            maybe()
            | st.builds(Backoff, jitter=st.sampled_from(["none", "full", "equal", "decorrelated"]))
        ),
        budget=draw(maybe() | st.sampled_from([0.0, 0.1, 0.5])),
        breaker=draw(maybe() | st.just(0.5)),
        limit=draw(st.sampled_from([None, "aimd", "gradient"])),
        rate_limit=draw(maybe() | st.just(15.0)),
        bound=draw(maybe() | st.integers(0, 5)),
        order=draw(st.sampled_from(["fifo", "lifo", "adaptive", "codel"])),
        late=draw(st.sampled_from(["done", "cancelled", "skipped"])),
        skip_below=draw(maybe() | st.just(0.1)),
        patience=draw(maybe() | st.just(Exponential(0.5))),
        hedge_after=draw(maybe() | st.sampled_from([0.0, 0.1])),
        cancel=draw(st.booleans()),
        failing=draw(st.sampled_from([0.0, 0.3])),
        new_work=draw(st.booleans()),
        outages=draw(st.sampled_from([(), (outage,)])),
        messages=draw(maybe() | st.just(150)),
        duration=draw(st.sampled_from([4.0, 8.0])),
    )


@settings(max_examples=40, deadline=None)
@given(overloads(), st.integers(0, 100))
def test_every_attempt_is_accounted_for(scenario: Overload, seed: int) -> None:
    result = scenario.run(seed)
    seen = result.extras
    fates = ("answered", "failed", "late", "rejected", "skipped", "cancelled", "under_way")
    assert seen["attempts"] == sum(seen[name] for name in fates)
    assert seen["answered"] == result.ledger.acked
    assert seen["attempts"] >= result.ledger.published - result.ledger.ready
    most = (scenario.retries + 1) * (2 if scenario.hedge_after is not None else 1)
    assert seen["attempts"] <= most * result.ledger.published
    table = result.messages
    well = table[table["outcome"] == "acked"]
    if scenario.timeout is not None and scenario.retries == 0:
        assert (well["latency"] <= scenario.timeout + 1e-9).all()
    if scenario.deadline is not None:
        assert (well["latency"] <= scenario.deadline + 1e-9).all()
    again = scenario.run(seed)
    for name, column in result.columns.items():
        np.testing.assert_array_equal(column, again.columns[name])
    assert dict(again.extras) == pytest.approx(dict(seen), rel=0, abs=0, nan_ok=True)


def test_a_retried_call_brings_the_same_work() -> None:
    short = Outage(of="service", kind="hang", start=2.0, duration=3.0)
    scenario = random(duration=None, messages=1000, outages=(short,), late="skipped")
    table = scenario.run(3).attempts
    work = (table["end"] - table["start"])[(table["end"] < 2) | (table["start"] > 5)]
    spread = work.groupby(table["message"]).agg(["min", "max", "count"])
    assert (spread["count"] > 1).any()
    np.testing.assert_allclose(spread["max"], spread["min"], atol=1e-9)
    # And it is what another scenario's call of that number brings.
    other = scenario.replace(outages=(), retries=0, order="lifo").run(3).messages
    np.testing.assert_allclose(
        (other["finished"] - other["started"])[spread.index], spread["max"], atol=1e-9
    )


def test_an_attempt_in_vain_says_why() -> None:
    causes: dict[str, dict[str, Any]] = {
        "full": {"bound": 10},
        "breaker": {"breaker": 1.0},
        "limit": {"limit": "aimd"},
        "rate": {"rate_limit": 20.0},
        "timeout": {},
        "down": {"outages": (Outage(of="service", start=1.0, duration=1.0),)},
        "crash": {"outages": (Outage(of="service", start=1.0, duration=1.0),)},
        "waited too long": {"order": "codel"},
        "deadline": {"late": "skipped"},
        "error": {"failing": 0.1},
        "patience": {"patience": 0.1},
        "hedge": {"hedge_after": 0.05, "replicas": 2},
    }
    hang = Outage(of="service", kind="hang", start=1.0, duration=2.0)
    for cause, changes in causes.items():
        scenario = random(**{"duration": 4.0, "outages": (hang,), **changes})
        assert cause in set(scenario.run().attempts["cause"]), cause


def test_a_call_by_hand() -> None:
    """Two calls, one worker, work of 1 s; the second waits for 0.6 s, and tries again."""
    scenario = Overload(
        interarrival=Trace([0.0, 0.4]), service=1.0, workers=1, timeout=1.2, retries=1, messages=2
    )
    result = scenario.run()
    assert result.messages["finished"].tolist()[0] == 1.0
    # At 1.6 s it gives up on the first attempt, which is done at 2.0 s for nobody; the second
    # begins then, and is too late, too: it has until 2.8 s.
    assert result.ledger.lost == 1
    table = result.attempts[result.attempts["message"] == 1]
    assert table["outcome"].tolist() == ["done", "done"]
    assert table["start"].tolist() == [1.0, 2.0]
    assert table["end"].tolist() == [2.0, 3.0]
    seen = result.extras
    assert (seen["attempts"], seen["answered"], seen["late"]) == (3, 1, 2)
    skipped = scenario.replace(retries=0, late="skipped", service=2.0, interarrival=Trace([0, 0.1]))
    assert skipped.run().extras["skipped"] == 1


# Words


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"budget": 0.2}, "a retry budget of 20% is above the 7%"),
        ({"hedge_after": 0.2, "cancel": False}, "hedges that are not cancelled at a load of 0.933"),
        ({"timeout": 0.05}, "a timeout of 0.05 s is below the mean work of 0.1 s"),
    ],
)
def test_nonsense_is_doubted(changes: dict[str, Any], said: str) -> None:
    scenario = Overload(messages=20, **changes)
    assert any(said in doubt for doubt in scenario.doubted())
    assert any(said in doubt for doubt in scenario.run().doubts())
    assert not Overload(messages=20, budget=0.05).doubted()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"retries": 11}, "retries must be <= 10, got 11"),
        ({"order": "random"}, "order must be 'fifo', 'lifo', 'adaptive' or 'codel', got 'random'"),
        ({"timeout": 0.0}, "timeout must be > 0 s, got 0"),
        ({"backoff": {"base": 2, "most": 1}}, "most must be >= base, 2 s, got 1"),
        ({"outages": (Outage(of="broker", start=1.0),)}, "outages\\[0\\] is a crash of the broker"),
    ],
)
def test_bad_input_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        Overload(**{"messages": 10, **changes})


def test_a_dashboard_needs_an_interval() -> None:
    result = Overload(messages=280).run()
    assert calls_over_time(result, 0.5)["calls"].iloc[0] == pytest.approx(280, abs=60)
    with pytest.raises(ValueError, match="every must be > 0 s, got 0"):
        calls_over_time(result, 0)
    with pytest.raises(ValueError, match="every must be <= the run's"):
        calls_over_time(result, 100)
