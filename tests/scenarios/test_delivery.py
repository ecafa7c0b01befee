"""Lost and doubled messages, as wrong money."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import Deterministic, Exponential, Outage
from simlib.analysis import replicate
from simlib.scenarios import DeliveryGuarantees
from simlib.theory import redelivery, retries

STEPS = (
    "publish_lost",
    "confirm_lost",
    "delivery_lost",
    "crashing",
    "booked_and_crashed",
    "ack_lost",
)


def restarts(every: float) -> tuple[Outage, ...]:
    """The broker restarts again and again, and is back at once."""
    return (Outage(of="broker", every=every, duration=0),)


RESTARTS = restarts(5.0)
PAYMENTS = DeliveryGuarantees(messages=400)
ONCE_AT_MOST = PAYMENTS.replace(semantics="at most once", confirms=False)
ONCE = PAYMENTS.replace(semantics="effectively once")
# One at a time, so that nothing but the message concerned is under way.
LONELY = {"interarrival": Deterministic(2.0), "service": Deterministic(0.1), "restart": 0.0}


def figures(scenario: DeliveryGuarantees, seed: int = 1) -> Any:
    return scenario.run(seed).summary()


@pytest.mark.parametrize("scenario", [PAYMENTS, ONCE_AT_MOST, ONCE, ONCE.replace(dedup="store")])
def test_without_faults_the_money_is_right(scenario: DeliveryGuarantees) -> None:
    found = figures(scenario)
    assert found["money_booked"] == found["money_due"] > 0
    assert found["missing"] == found["doubled"] == found["lost"] == 0
    assert found["sends"] == found["attempts"] == 1


def test_a_lonely_payment_takes_two_trips_and_the_work() -> None:
    messages = PAYMENTS.replace(messages=3, **LONELY).run(1).messages
    assert messages["latency"].to_numpy() == pytest.approx(0.11)
    assert (messages["acked"] - messages["created"]).to_numpy() == pytest.approx(0.115)


@pytest.mark.parametrize("semantics", ["at most once", "at least once", "effectively once"])
@pytest.mark.parametrize("step", STEPS)
def test_what_a_fault_at_each_step_does(step: str, semantics: str) -> None:
    scenario = PAYMENTS.replace(semantics=semantics, **LONELY, **{step: 0.2})
    found = figures(scenario.replace(confirms=semantics != "at most once"))
    loses = semantics == "at most once" and step in ("publish_lost", "delivery_lost", "crashing")
    doubles = semantics == "at least once" and step in (
        "confirm_lost",
        "booked_and_crashed",
        "ack_lost",
    )
    assert (found["missing"] > 0) == loses
    assert (found["doubled"] > 0) == doubles
    assert np.sign(found["money_wrong"]) == int(doubles) - int(loses)
    assert found["lost"] == found["missing"]


def test_a_store_beside_the_booking_does_not_know_what_was_booked_just_before_a_crash() -> None:
    store = ONCE.replace(dedup="store", booked_and_crashed=0.2)
    assert figures(store)["surplus"] > 50
    assert figures(store.replace(dedup="inbox"))["surplus"] == 0


def test_what_comes_back_after_the_window_is_booked_again() -> None:
    late = ONCE.replace(confirm_lost=0.2, timeout=1.0)
    for dedup in ("store", "inbox"):
        assert figures(late.replace(dedup_window=0.5, dedup=dedup))["surplus"] > 50
        assert figures(late.replace(dedup_window=60.0, dedup=dedup))["surplus"] == 0


def test_with_auto_ack_a_crash_takes_all_that_was_delivered() -> None:
    slow = ONCE_AT_MOST.replace(crashing=0.02, load=0.9, restart=0.0)
    result = slow.run(1)
    crashes = (~np.isnan(result.in_vain.start)).sum()
    assert result.summary()["missing"] > 2 * crashes > 0
    assert result.summary()["missing"] == result.ledger.lost


@pytest.mark.parametrize(
    ("queue", "persistent", "survives"),
    [("memory", True, False), ("file", False, False), ("file", True, True)],
)
def test_only_persistent_messages_on_disk_outlive_the_broker(
    queue: str, persistent: bool, survives: bool
) -> None:
    restarted = PAYMENTS.replace(queue=queue, persistent=persistent, load=0.9, outages=RESTARTS)
    found = figures(restarted)
    assert (found["missing"] == 0) == survives
    assert (found["lost"] == 0) == survives


def test_poison_is_put_aside_and_holds_nobody_up() -> None:
    poisoned = PAYMENTS.replace(poison=0.05, attempts=3)
    for retry_delay in (None, 2.0):
        result = poisoned.replace(retry_delay=retry_delay).run(2)
        found = result.summary()
        dead = result.messages["outcome"] == "dead-lettered"
        assert found["dead_letters"] == dead.sum() == result.ledger.dead_lettered > 5
        assert (result.messages["attempts"][dead] == 3).all()
        assert found["missing"] == found["money_wrong"] == 0


def test_dead_letters_on_disk_outlive_the_broker() -> None:
    harsh = PAYMENTS.replace(
        poison=0.05, attempts=2, retry_delay=0.5, queue="file", outages=RESTARTS
    )
    found = figures(harsh)
    assert found["missing"] == 0
    assert found["dead_letters"] > 5


# Held against theory: each over 20 runs, with the standard error of their mean.


def agree(scenario: DeliveryGuarantees, measure: Callable[[Any], Any], expected: float) -> None:
    found = measure(replicate(scenario, 20, seed=21))
    error = found.std() / np.sqrt(len(found))
    assert 0 < error < 0.1 * expected
    assert abs(found.mean() - expected) < 4 * error


@pytest.mark.parametrize("q", [0.1, 0.4])
@pytest.mark.parametrize("step", ["ack_lost", "booked_and_crashed", "confirm_lost"])
def test_lost_acks_and_confirms_repeat_a_message_as_theory_says(step: str, q: float) -> None:
    scenario = PAYMENTS.replace(messages=500, load=0.3, **{step: q})
    theory = redelivery(q)
    agree(scenario, lambda runs: runs["surplus"] / 500, theory.mean_deliveries - 1)
    agree(scenario, lambda runs: runs["doubled"] / 500, theory.p_duplicated)


@pytest.mark.parametrize("retry_delay", [None, 1.0])
def test_retries_and_dead_letters_are_as_many_as_theory_says(retry_delay: float | None) -> None:
    scenario = PAYMENTS.replace(
        messages=500, load=0.3, failing=0.5, attempts=4, retry_delay=retry_delay
    )
    theory = retries(6, 20, failure_probability=0.5, max_attempts=4)
    agree(scenario, lambda runs: runs["attempts"], theory.attempts_per_request)
    agree(scenario, lambda runs: runs["dead_letters"] / 500, 1 - theory.success_probability)


def test_retries_after_a_pause_load_the_bookkeeper_as_theory_says() -> None:
    scenario = PAYMENTS.replace(
        messages=1_500, load=0.4, failing=0.4, attempts=20, retry_delay=2.0, warmup=100
    )
    theory = retries(8, 20, failure_probability=0.4, max_attempts=20, backoff_mean=2.0)
    agree(scenario, lambda runs: runs["utilisation"], theory.utilisation)


def test_the_same_seed_gives_the_same_run_to_the_bit() -> None:
    scenario = PAYMENTS.replace(ack_lost=0.1, crashing=0.02, poison=0.02, attempts=3)
    first, second = scenario.run(5), scenario.run(5)
    assert first.messages.equals(second.messages)
    assert first.summary().equals(second.summary())


def test_all_semantics_meet_the_same_payments_and_the_same_work() -> None:
    runs = [each.run(4) for each in (PAYMENTS, ONCE_AT_MOST, ONCE)]
    for other in runs[1:]:
        assert other.messages["created"].equals(runs[0].messages["created"])
        assert other.messages["finished"].equals(runs[0].messages["finished"])
        assert other.summary()["money_due"] == runs[0].summary()["money_due"]


chances = st.sampled_from([0.0, 0.0, 0.05, 0.3])


@settings(max_examples=80)
@given(
    semantics=st.sampled_from(["at most once", "at least once", "effectively once"]),
    dedup=st.sampled_from(["store", "inbox"]),
    confirms=st.booleans(),
    persistent=st.booleans(),
    queue=st.sampled_from(["memory", "file"]),
    prefetch=st.integers(1, 5),
    network=st.sampled_from([0.0, 0.005, 0.2]),
    restart=st.sampled_from([0.0, 0.5]),
    faults=st.fixed_dictionaries(dict.fromkeys(STEPS, chances)),
    failing=chances,
    poison=chances,
    attempts=st.integers(1, 4),
    retry_delay=st.none() | st.sampled_from([0.1, 3.0]),
    outages=st.just(()) | st.floats(0.5, 5.0).map(restarts),
    duration=st.none() | st.floats(0.5, 20),
    seed=st.integers(0, 2**32),
)
def test_the_money_is_wrong_by_what_was_lost_and_doubled(
    semantics, confirms, persistent, queue, faults, duration, seed, **parameters
) -> None:
    scenario = DeliveryGuarantees(
        messages=60,
        interarrival=Exponential(mean=0.1),
        semantics=semantics,
        confirms=confirms,
        persistent=persistent,
        queue=queue,
        duration=duration,
        **faults,
        **parameters,
    )
    result = scenario.run(seed)  # raises when the ledger of copies does not balance
    ledger, found = result.ledger, result.summary()
    assert min(ledger[name] for name in dict(ledger)) >= 0
    assert found["doubled"] <= found["surplus"]
    assert 0 <= found["missing"] <= 60
    assert result.series["busy_consumers"].between(0, 1).all()
    if found["surplus"] == found["missing"] == 0:
        assert found["money_wrong"] == 0
    if duration is not None:
        return
    assert ledger.ready == ledger.unacked == 0
    safe = confirms and (not scenario.outages or (persistent and queue == "file"))
    if semantics == "at most once":
        assert confirms or found["surplus"] == 0
    elif safe:
        assert found["missing"] == 0
    if semantics == "effectively once" and scenario.dedup == "inbox":
        assert found["surplus"] == 0


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"semantics": "exactly once"}, "'at most once', 'at least once' or 'effectively once'"),
        ({"ack_lost": 1.0}, "< 1"),
        ({"crashing": -0.1}, ">= 0"),
        ({"poison": 0.1}, "poison=0.1 comes back for ever without attempts"),
        ({"retry_delay": 2.0}, "retry_delay=2 needs attempts, got none"),
        ({"timeout": 0.01}, "timeout must be longer than .* 0.01 s, got 0.01"),
        ({"dedup_window": 0.0}, "> 0"),
        ({"exactly": True}, "there is no 'exactly'"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PAYMENTS.replace(**fields)
