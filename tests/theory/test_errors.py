"""Bad arguments are refused before anything is computed, by name, value and what is allowed."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from simlib import theory

LST = theory.erlang_lst(2, 1.25)
LATENCY = theory.lognormal_survival(1, 1)

GOOD: dict[str, dict[str, Any]] = {
    "blocking_line": {"service_rates": [1, 2], "buffers": [0]},
    "closed": {"callers": 3, "think_mean": 1, "service_rate": 1, "servers": 1},
    "deterministic_lst": {"value": 1},
    "engset": {"callers": 3, "think_mean": 1, "service_rate": 1, "servers": 1},
    "erlang_a": {"arrival_rate": 0.5, "service_rate": 1, "servers": 1, "patience_mean": 1},
    "erlang_b": {"offered_load": 2, "servers": 1},
    "erlang_c": {"offered_load": 0.5, "servers": 1},
    "erlang_lst": {"k": 2, "mean": 1},
    "exponential_lst": {"mean": 1},
    "fan_out_mean": {"latency_mean": 1, "calls": 2},
    "fan_out_percentile": {"q": 99, "calls": 2},
    "fan_out_slow": {"p_slow": 0.1, "calls": 2},
    "fit_usl": {"workers": [1, 2, 3], "throughputs": [1, 2, 3]},
    "fork_join": {"arrival_rate": 0.5, "service_rate": 1},
    "gg1": {"arrival_rate": 0.5, "service_mean": 1, "interarrival_scv": 1, "service_scv": 1},
    "ggc": {
        "arrival_rate": 0.5,
        "service_mean": 1,
        "servers": 1,
        "interarrival_scv": 1,
        "service_scv": 1,
    },
    "gm1": {"arrival_rate": 0.8, "service_rate": 1, "interarrival_lst": LST},
    "group_commit": {"arrival_rate": 0.5, "sync_time": 1, "max_batch": 2},
    "group_commit_closed": {"clients": 2, "sync_time": 1},
    "hedge": {"survival": LATENCY, "after": 1},
    "hyperexponential_lst": {"mean": 1, "cv": 2},
    "jackson": {
        "external_rates": [1, 0],
        "routing": [[0, 1], [0, 0]],
        "service_rates": [2, 2],
        "servers": [1, 1],
    },
    "linger": {"arrival_rate": 1, "batch_size": 2, "linger_time": 1},
    "lognormal_survival": {"mean": 1, "cv": 1},
    "md1": {"arrival_rate": 0.5, "service_time": 1},
    "mdc": {"arrival_rate": 0.5, "service_time": 1, "servers": 1},
    "mg1": {
        "arrival_rate": 0.5,
        "service_mean": 1.25,
        "service_scv": 0.5,
        "service_skewness": 1.5,
        "service_lst": LST,
    },
    "mg1_batch": {
        "batch_rate": 0.2,
        "batch_mean": 2,
        "batch_scv": 0,
        "service_mean": 1,
        "service_scv": 1,
    },
    "mg1_breakdown": {
        "arrival_rate": 0.5,
        "service_mean": 1,
        "service_scv": 1,
        "failure_rate": 0.01,
        "repair_mean": 1,
        "repair_scv": 1,
    },
    "mg1_priority": {"arrival_rates": [0.2], "service_means": [1], "service_scvs": [1]},
    "mg1_setup": {
        "arrival_rate": 0.5,
        "service_mean": 1,
        "service_scv": 1,
        "setup_mean": 1,
        "setup_scv": 1,
    },
    "mg1_vacation": {
        "arrival_rate": 0.5,
        "service_mean": 1,
        "service_scv": 1,
        "vacation_mean": 1,
        "vacation_scv": 1,
    },
    "mg_infinity": {"arrival_rate": 1, "service_mean": 1},
    "mm1": {"arrival_rate": 0.5, "service_rate": 1},
    "mm1_first_n": {"arrival_rate": 0.5, "service_rate": 1, "n": 3},
    "mm1_run_length": {"arrival_rate": 0.5, "service_rate": 1},
    "mm1_transient": {"arrival_rate": 0.5, "service_rate": 1, "time": 1},
    "mm1k": {"arrival_rate": 0.5, "service_rate": 1, "capacity": 3},
    "mmc": {"arrival_rate": 0.5, "service_rate": 1, "servers": 1},
    "mmc_deadline": {"arrival_rate": 0.5, "service_rate": 1, "servers": 1, "patience": 1},
    "mmck": {"arrival_rate": 0.5, "service_rate": 1, "servers": 1, "capacity": 3},
    "mmpp_m1": {"arrival_rates": [1, 0], "switch_rates": [1, 1], "service_rate": 1},
    "mtm_infinity": {
        "mean_rate": 2,
        "amplitude": 1,
        "angular_frequency": 1,
        "service_rate": 1,
        "time": 1,
    },
    "mva": {"demands": [1, 2], "think_mean": 1, "callers": 2},
    "outage": {"arrival_rate": 0.5, "service_rate": 1, "outage_time": 1},
    "partition_throughput": {"partitions": 2, "consumers": 2, "consumer_rate": 1},
    "pipeline": {"arrival_rate": 1, "service_rates": [1], "servers": [1]},
    "polled_outbox": {
        "arrival_rate": 0.5,
        "polling": 1,
        "publish_time": 1,
        "delivery": 1,
    },
    "power_of_choices": {"load": 0.5, "service_mean": 1, "choices": 2},
    "prefetch": {"round_trip": 1, "service_time": 1, "limit": 1},
    "redelivery": {"p_ack_lost": 0.1},
    "redundancy": {"arrival_rate": 1, "service_rate": 1, "servers": 3, "copies": 2},
    "retries": {
        "arrival_rate": 0.5,
        "service_rate": 1,
        "failure_probability": 0.1,
        "max_attempts": 2,
        "backoff_mean": 1,
    },
    "retry_amplification": {"layers": 2, "attempts": 2},
    "retry_threshold": {"service_rate": 1, "max_retries": 1},
    "sync_chain": {"latency_means": [1], "availabilities": [0.9]},
    "tandem": {"arrival_rate": 0.5, "service_rates": [1]},
    "usl": {"gamma": 1, "alpha": 0.1, "beta": 0.1},
}

ANY_FUNCTION = {"survival"}
"""Arguments whose values can't be told from good ones without computing."""

NEVER = [math.nan, math.inf, -math.inf, True, "1", 1j, -1.0, np.True_]


def test_the_table_has_every_function() -> None:
    functions = {name for name in theory.__all__ if inspect.isfunction(getattr(theory, name))}
    assert functions == GOOD.keys()
    for name, arguments in GOOD.items():
        assert arguments.keys() == inspect.signature(getattr(theory, name)).parameters.keys()


@pytest.mark.parametrize("name", GOOD)
def test_good_arguments_are_taken(name: str) -> None:
    getattr(theory, name)(**GOOD[name])


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("bad", NEVER, ids=repr)
def test_a_bad_argument_is_named_with_its_value(name: str, bad: object) -> None:
    function: Callable[..., object] = getattr(theory, name)
    for argument, good in GOOD[name].items():
        if argument in ANY_FUNCTION or (argument == "service_skewness" and bad == -1.0):
            continue
        value = [bad, *good[1:]] if isinstance(good, list) else bad
        place = f"{argument}[0]" if isinstance(good, list) else argument
        with pytest.raises(ValueError, match="must be") as caught:
            function(**GOOD[name] | {argument: value})
        assert str(caught.value).startswith(f"{place} must be ")
        assert str(caught.value).endswith(f", got {bad!r}")


@pytest.mark.parametrize("name", GOOD)
def test_a_sequence_must_be_one_and_not_empty(name: str) -> None:
    function: Callable[..., object] = getattr(theory, name)
    for argument, good in GOOD[name].items():
        if isinstance(good, list):
            for bad in ([], "12", 1):
                with pytest.raises(ValueError, match=f"{argument} must be a sequence"):
                    function(**GOOD[name] | {argument: bad})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.mm1(-1.0, 1), "arrival_rate must be > 0 per second, got -1.0"),
        (
            lambda: theory.mm1(10**400, 1),
            f"arrival_rate must be > 0 per second, got {10**400}",
        ),
        (lambda: theory.mm1(0, 1), "arrival_rate must be > 0 per second, got 0"),
        (lambda: theory.mmc(1, 1, 2.0), "servers must be a whole number >= 1, got 2.0"),
        (lambda: theory.mmc(1, 1, 0), "servers must be a whole number >= 1, got 0"),
        (
            lambda: theory.mmck(1, 1, 3, 2),
            "capacity counts the places in service too: it must be >= servers (3), got 2",
        ),
        (lambda: theory.closed(2, -1, 1), "think_mean must be >= 0 seconds, got -1"),
        (lambda: theory.mg1_batch(0.1, 0.5, 0, 1, 1), "batch_mean must be >= 1, got 0.5"),
        (lambda: theory.redundancy(1, 1, 2, 3), "copies must be <= servers (2), got 3"),
        (
            lambda: theory.gm1(0.9, 1, LST),
            "interarrival_lst must have a mean of 1.11111 seconds, got 1.25",
        ),
        (
            lambda: theory.mg1(0.5, 1, 4, service_skewness=1),
            "service_skewness must be >= cv - 1/cv = 1.5 for a time with service_scv = 4, got 1",
        ),
        (
            lambda: theory.hyperexponential_lst(1, 1),
            "cv must be > 1 for two exponential phases, got 1",
        ),
        (
            lambda: theory.mtm_infinity(1, 2, 1, 1, 1),
            "amplitude must be <= mean_rate (1 per second), got 2",
        ),
        (
            lambda: theory.mm1_transient(1, 1, 1e6),
            "time must be <= 25000 seconds at these rates, got 1000000.0",
        ),
        (
            lambda: theory.mg1_priority([0.1, 0.2], [1], [1, 1]),
            "arrival_rates and service_means and service_scvs must have as many items each, but "
            "arrival_rates has 2, service_means has 1, service_scvs has 2",
        ),
        (
            lambda: theory.blocking_line([1, 1, 1], [0]),
            "buffers must have one item for each pair of neighbours in service_rates (2), got 1",
        ),
        (
            lambda: theory.blocking_line([1] * 4, [50] * 3),
            "the line has more than 3000 states: take fewer or smaller buffers",
        ),
        (
            lambda: theory.mmpp_m1([1, 1, 1], [1, 1], 2),
            "arrival_rates and switch_rates must have two items each, got 3 and 2",
        ),
        (
            lambda: theory.mmpp_m1([0, 0], [1, 1], 2),
            "arrival_rates must not both be 0 per second",
        ),
        (
            lambda: theory.jackson([1, 0], [[0, 0.6, 0.1], [0, 0]], [2, 2], [1, 1]),
            "routing[0] and service_rates must have as many items each, but routing[0] has 3, "
            "service_rates has 2",
        ),
        (
            lambda: theory.jackson([1, 0], [[0.5, 0.6], [0, 0]], [2, 2], [1, 1]),
            "routing[0] must add up to 1 at most, got 1.1",
        ),
        (
            lambda: theory.jackson([1, 0], [[0, 1], [1, 0]], [2, 2], [1, 1]),
            "routing must let every customer leave in the end, but some never can",
        ),
        (
            lambda: theory.jackson([1, 0], [[0, 0], [0, 0]], [2, 2], [1, 1]),
            "every station must be reached, but station 1 is not: give it external_rates or "
            "routing, or leave it out",
        ),
        (
            lambda: theory.fit_usl([1, 1, 2], [1, 1, 2]),
            "workers must have at least three different numbers, got [1, 1, 2]",
        ),
        (lambda: theory.usl(1, 0, 0).throughput(0), "workers must be > 0, got 0"),
        (
            lambda: theory.mm1(0.5, 1).latency_percentile(101),
            "q must be a percentage from 0 to 100, got 101",
        ),
        (lambda: theory.mm1(0.5, 1).wait_tail(-1), "t must be >= 0 seconds, got -1"),
        (
            lambda: theory.mg_infinity(1, 1).in_system_percentile(100),
            "q must be < 100: the number in the system has no upper bound",
        ),
        (
            lambda: theory.mg1(0.5, 1, 1).wait_percentile(90),
            "two moments of the service time do not decide the distribution of the wait: give mg1 "
            "a service_lst, such as erlang_lst(k, mean)",
        ),
    ],
)
def test_the_words(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole text is compared
        call()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "call",
    [
        lambda: theory.mm1(1.25, 1),
        lambda: theory.mmc(5, 2, 2),
        lambda: theory.erlang_c(2.5, 2),
        lambda: theory.mg1(1.25, 1, 1),
        lambda: theory.md1(1.25, 1),
        lambda: theory.mdc(2.5, 1, 2),
        lambda: theory.gm1(1.25, 1, theory.exponential_lst(0.8)),
        lambda: theory.gg1(1.25, 1, 1, 1),
        lambda: theory.ggc(2.5, 1, 2, 1, 1),
        lambda: theory.mmpp_m1([2.5, 0], [1, 1], 1),
        lambda: theory.mg1_priority([0.5, 0.75], [1, 1], [1, 1]),
        lambda: theory.mg1_batch(0.25, 5, 0, 1, 1),
        lambda: theory.mg1_vacation(1.25, 1, 1, 1, 1),
        lambda: theory.mg1_setup(1.25, 1, 1, 1, 1),
        lambda: theory.mg1_breakdown(1, 1, 1, 0.25, 1, 1),
        lambda: theory.tandem(1.25, [2, 1]),
        lambda: theory.jackson([1.25], [[0]], [1], [1]),
        lambda: theory.retries(1, 1, 0.2),
        lambda: theory.group_commit(2.5, 1, 2),
        lambda: theory.fork_join(1.25, 1),
        lambda: theory.power_of_choices(1.25, 1, 2),
        lambda: theory.redundancy(2.5, 1, 2, 2),
        lambda: theory.mm1_run_length(1.25, 1),
        lambda: theory.outage(1.25, 1, 1),
    ],
)
def test_an_overload_states_itself(call: Callable[[], object]) -> None:
    with pytest.raises(theory.UnstableError, match=r"^unstable: .* utilisation of 1\.25\b"):
        call()


def test_a_load_of_exactly_one_is_unstable() -> None:
    with pytest.raises(theory.UnstableError):
        theory.mm1(1, 1)
    assert issubclass(theory.UnstableError, ValueError)


@pytest.mark.parametrize("kind", [int, float, np.float64, np.int64, np.float32])
def test_every_kind_of_number_is_taken(kind: Callable[[int], Any]) -> None:
    assert theory.mm1(kind(1), kind(2)) == theory.mm1(1.0, 2.0)
    assert theory.mmc(1, 2, np.int64(3)) == theory.mmc(1, 2, 3)
