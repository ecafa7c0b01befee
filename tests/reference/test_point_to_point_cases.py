"""Simulations held against known answers, by the acceptance rule that cases.json states.

A metric agrees when its mean over at least 20 independent replications is within 4 standard errors
of the known answer, and the standard error is at most a quarter of the tolerance. A metric in
NOT_WITHIN_BUDGET is simulated too short for the second half; the first half still holds it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simlib import (
    Deterministic,
    Distribution,
    Erlang,
    Exponential,
    Hyperexponential,
    LogNormal,
    Replay,
    Trace,
)
from simlib.analysis import Result
from simlib.scenarios import PointToPoint, Scenario

FILE = Path(__file__).with_name("cases.json")
CASES = {case["id"]: case for case in json.loads(FILE.read_text(encoding="utf-8"))["cases"]}

Parameters = Mapping[str, Any]
Metric = Callable[[Result], float]

# What is read off a result


# The figures of one result serve many metrics.
_figures = lru_cache(maxsize=1)(Result.summary)


def _summary(key: str) -> Metric:
    return lambda result: float(_figures(result)[key])


def _customers(column: str, result: Result) -> np.ndarray:
    """A column of the messages after the warm-up that got so far."""
    values = result.messages[column].to_numpy()[result.warmup :]
    return values[~np.isnan(values)]


def _percentile(column: str, percent: float) -> Metric:
    return lambda result: float(np.percentile(_customers(column, result), percent))


def _p_wait(result: Result) -> float:
    return float((_customers("wait", result) > 0).mean())


def _wait_of_those_who_wait(result: Result) -> float:
    waits = _customers("wait", result)
    return float(waits[waits > 0].mean())


def _p_loss(result: Result) -> float:
    return float((result.messages["outcome"][result.warmup :] == "dropped").mean())


def _within(deadline: float, result: Result) -> np.ndarray:
    return _customers("latency", result) <= deadline


def _goodput(deadline: float, result: Result) -> float:
    """Messages done within the deadline, per second of the time after the warm-up."""
    return float(_figures(result)["throughput"] * _within(deadline, result).mean())


def _held(column: str, result: Result) -> tuple[np.ndarray, np.ndarray]:
    """The values of a time series after the warm-up, and for how long each held (s)."""
    series = result.series[column]
    start = result.messages["created"][result.warmup] if result.warmup else 0.0
    edges = np.clip(np.append(series.index.to_numpy(), result.duration), start, result.duration)
    return series.to_numpy(), np.diff(edges)


def _time_share(column: str, value: int) -> Metric:
    def share(result: Result) -> float:
        values, held = _held(column, result)
        return float(held[values == value].sum() / held.sum())

    return share


def _time_empty(result: Result) -> float:
    """The share of time in which nobody is there: from when all have left until the next comes."""
    created, left = result.columns["created"], result.columns["finished"].copy()
    left[np.isnan(left)] = np.inf
    left[np.isnan(result.columns["enqueued"])] = 0.0  # was refused, and never there
    start = created[result.warmup] if result.warmup else 0.0
    latest = np.concatenate(([0.0], np.maximum.accumulate(left)))
    until = np.append(created, result.duration)
    empty = np.clip(until, start, result.duration) - np.clip(latest, start, result.duration)
    return float(np.sum(np.maximum(empty, 0.0)) / (result.duration - start))


def _time_variance(column: str) -> Metric:
    def variance(result: Result) -> float:
        values, held = _held(column, result)
        mean = (held * values).sum() / held.sum()
        return float((held * (values - mean) ** 2).sum() / held.sum())

    return variance


METRICS: dict[str, Metric] = {
    "rho": _summary("utilisation"),
    "utilization": _summary("utilisation"),
    "throughput": _summary("throughput"),
    "L": _summary("in_system_mean"),
    "Lq": _summary("queue_mean"),
    "W": _summary("latency_mean"),
    "Wq": _summary("wait_mean"),
    "p_wait": _p_wait,
    "p_wait_admitted": _p_wait,
    "sigma": _p_wait,
    "p_loss": _p_loss,
    "p0": _time_empty,
    "Wq_given_wait": _wait_of_those_who_wait,
    "sd_W": lambda result: float(_customers("latency", result).std()),
    "sd_Wq": lambda result: float(_customers("wait", result).std()),
    "var_Wq": lambda result: float(_customers("wait", result).var()),
    "Wq_second_moment": lambda result: float((_customers("wait", result) ** 2).mean()),
    "var_N": _time_variance("in_system"),
    **{f"W_p{percent}": _summary(f"latency_p{percent}") for percent in (50, 95, 99)},
    **{f"Wq_p{percent}": _percentile("wait", percent) for percent in (50, 90, 99)},
    "Wq_p95": _summary("wait_p95"),
}
"""What a case calls a metric, and how a result tells it."""


# How a case is run


@dataclass(frozen=True)
class Experiment:
    """A scenario and what to read off its results.

    ``scenario`` is a scenario, or makes one for each seed where the case needs input of its own.
    Without randomness one run tells all.
    """

    scenario: Scenario | Callable[[int], Scenario]
    metrics: Mapping[str, Metric]
    random: bool = True

    def run(self) -> dict[str, np.ndarray]:
        """Each metric's values, one per replication."""
        rows = []
        for seed in range(1, (REPLICATIONS if self.random else 1) + 1):
            scenario = self.scenario if isinstance(self.scenario, Scenario) else self.scenario(seed)
            result = scenario.run(seed)
            rows.append({name: metric(result) for name, metric in self.metrics.items()})
        return {name: np.array([row[name] for row in rows]) for name in self.metrics}


REPLICATIONS = 20
Recipe = Callable[[dict[str, Any]], list[Experiment]]
"""Makes the experiments that answer a case. Other scenarios add theirs to EXPRESSED."""


def _distribution(p: Parameters) -> Distribution:
    match p["kind"]:
        case "det":
            return Deterministic(p["mean"])
        case "exp":
            return Exponential(p["mean"])
        case "erlang":
            return Erlang(p["k"], p["mean"])
        case "lognormal":
            return LogNormal(p["mean"], p["cv"])
        case "h2":
            mean = p["p"] * p["m1"] + (1 - p["p"]) * p["m2"]
            second = 2 * (p["p"] * p["m1"] ** 2 + (1 - p["p"]) * p["m2"] ** 2)
            return Hyperexponential(mean, np.sqrt(second / mean**2 - 1))
    raise KeyError(p["kind"])


def _queue(p: Parameters, **options: Any) -> PointToPoint:
    """The queue that a case's parameters describe."""
    if "interarrival" in p:
        interarrival = _distribution(p["interarrival"])
    else:
        interarrival = Exponential(1 / p["lam"])
    if "service" in p:
        service = _distribution(p["service"])
    else:
        service = Deterministic(p["D"]) if "D" in p else Exponential(1 / p["mu"])
    fixed = {"interarrival": interarrival, "service": service, "consumers": p.get("c", 1)}
    return PointToPoint(**{**fixed, **options})


LONGER = 12
"""So many times the messages that each recipe names: the recursions are that much faster."""


def _steady(
    messages: int,
    *,
    metrics: Callable[[Parameters], dict[str, Metric]] = lambda p: {},
    **options: Callable[[Parameters], Any],
) -> Recipe:
    """A long run of a queue in its steady state: so many messages in all replications together.

    Runs end at an instant, not when the last message has left: emptying is no steady state.
    """

    def recipe(case: dict[str, Any]) -> list[Experiment]:
        p = case["parameters"]
        each = LONGER * messages // REPLICATIONS
        scenario = _queue(p, duration=1.0, **{name: option(p) for name, option in options.items()})
        scenario = scenario.replace(
            duration=each * scenario.interarrival.average, warmup=min(2_000, each // 10)
        )
        known = {**METRICS, **metrics(p)}
        wanted = {name: known[name] for name in case["expected"] if name in known}
        left_out = NOT_MEASURED.get(case["id"], {})
        return [
            Experiment(scenario, {name: wanted[name] for name in wanted if name not in left_out})
        ]

    return recipe


def _waiting_places(p: Parameters) -> int:
    return p["K"] - p.get("c", 1)


def _bounded_goodput(case: dict[str, Any]) -> list[Experiment]:
    """A queue of each size, with a deadline."""
    p = case["parameters"]
    goodput = partial(_goodput, p["T"])
    experiments = []
    for size, each in ((1, 5_000), (3, 5_000), (10, 5_000), (50, 5_000)):
        scenario = _queue(p, capacity=size - 1, duration=each / p["lam"], warmup=500)
        metrics = {f"goodput_K{size}": goodput}
        if size == case["expected"]["best_K"]:
            metrics["best_goodput"] = goodput
        experiments.append(Experiment(scenario, metrics))
    return experiments


# From empty, again and again: one run holds many short ones with long pauses between them.
PAUSE = 1_000.0


def _first_customers(case: dict[str, Any]) -> list[Experiment]:
    p = case["parameters"]
    count, episodes = p["n"], 2_150

    def scenario(seed: int) -> PointToPoint:
        rng = np.random.default_rng([seed, count])
        gaps = Exponential(1 / p["lam"]).sample(rng, episodes * count)
        gaps[::count] += PAUSE / p["mu"]
        return _queue(p, interarrival=Replay(gaps), messages=len(gaps))

    def waits(result: Result) -> np.ndarray:
        table = result.messages["wait"].to_numpy().reshape(episodes, count)
        assert not table[:, 0].any(), "every first customer finds nobody"
        return table

    metrics: dict[str, Metric] = {
        "mean_Wq_first_n": lambda result: float(waits(result).mean()),
        "mean_Wq_nth": lambda result: float(waits(result)[:, -1].mean()),
    }
    return [Experiment(scenario, metrics)]


def _at_an_instant(case: dict[str, Any]) -> list[Experiment]:
    p = case["parameters"]
    episodes, length = 1_450, p["t"] + PAUSE / p["mu"]

    def scenario(seed: int) -> PointToPoint:
        rng = np.random.default_rng([seed, p["t"]])
        # As many as a Poisson process has up to t, each anywhere: that is a Poisson process.
        starts = np.repeat(length * np.arange(episodes), rng.poisson(p["lam"] * p["t"], episodes))
        times = np.sort(starts + rng.uniform(0.0, p["t"], len(starts)))
        return _queue(p, interarrival=Trace(times))

    def counts(result: Result) -> np.ndarray:
        series = result.series["in_system"]
        starts = length * np.arange(episodes)
        before = series.index.searchsorted([starts, starts + p["t"]], side="right") - 1
        at_start, at_instant = series.to_numpy()[before]
        assert not at_start.any(), "every episode starts empty"
        return at_instant

    metrics: dict[str, Metric] = {
        "mean_N_at_t": lambda result: float(counts(result).mean()),
        "p_empty_at_t": lambda result: float((counts(result) == 0).mean()),
    }
    return [Experiment(scenario, metrics)]


def _fork_join(case: dict[str, Any]) -> list[Experiment]:
    """A request is done when both queues are done with it, which have the same arrivals."""
    p = case["parameters"]
    assert p["branches"] == 2
    other_service = Exponential(1 / p["mu"])

    def both(result: Result) -> float:
        arrivals = result.columns["created"]
        works = other_service.sample(np.random.default_rng([result.seed, 2]), len(arrivals))
        other = _queue(p, interarrival=Trace(arrivals), service=Replay(works)).run(result.seed)
        done = np.fmax(result.columns["finished"], other.columns["finished"])
        return float((done - arrivals)[result.warmup :].mean())

    scenario = _queue(p, messages=260_000, warmup=2_000)
    return [Experiment(scenario, {"W": both})]


def _given_latencies(case: dict[str, Any]) -> list[Experiment]:
    sample = case["parameters"]["sample"]
    scenario = PointToPoint(
        interarrival=Deterministic(2.0 * max(sample)), service=Replay(sample), messages=len(sample)
    )
    return [Experiment(scenario, {"p50": _summary("latency_p50")}, random=False)]


def _given_steps(case: dict[str, Any]) -> list[Experiment]:
    # Two messages, from 2 to 7 and from 3 to 9; a third after the horizon keeps the run going.
    assert case["parameters"] == {
        "changes": [[0, 0], [2, 1], [3, 2], [7, 1], [9, 0]],
        "horizon": 10,
    }
    scenario = PointToPoint(
        interarrival=Trace([2.0, 3.0, 20.0]),
        service=Replay([5.0, 6.0, 1.0]),
        consumers=2,
        duration=10.0,
    )
    metrics: dict[str, Metric] = {
        "time_average": _summary("in_system_mean"),
        "max": lambda result: float(result.series["in_system"].max()),
        "fraction_empty": _time_share("in_system", 0),
    }
    return [Experiment(scenario, metrics, random=False)]


def _littles_law(case: dict[str, Any]) -> list[Experiment]:
    def difference(result: Result) -> float:
        numbers, held = _held("in_system", result)
        return float(abs((numbers * held).sum() - result.messages["latency"].sum()))

    scenario = PointToPoint(
        interarrival=LogNormal(1.0, 2.0), service=Hyperexponential(1.5, 2.0), consumers=2,
        messages=500,
    )  # fmt: skip
    return [Experiment(scenario, {"abs_difference_integral_N_vs_sum_W": difference}, random=False)]


EXPRESSED: dict[str, Recipe] = {
    "mm1-080": _steady(1_600_000),
    "mm1-050": _steady(1_650_000),
    "mm1-R-doc": _steady(900_000),
    "mm1-avar-080": _steady(350_000),
    "mm1-first25-LawKelton": _first_customers,
    "mm1-transient-t50": _at_an_instant,
    "mmc-2": _steady(600_000),
    "mmc-10": _steady(750_000),
    "mmc-3-bronson": _steady(800_000),
    "mm1k-5": _steady(500_000, capacity=_waiting_places),
    "mmck-5-12": _steady(150_000, capacity=_waiting_places),
    "mmck-2-3-simmer": _steady(550_000, capacity=_waiting_places),
    "erlangB-8-10-det": _steady(400_000, capacity=lambda p: 0),
    "erlangB-20-25-exp": _steady(220_000, capacity=lambda p: 0),
    "md1-080": _steady(1_250_000),
    "md2-16": _steady(
        440_000, metrics=lambda p: {"p_all_busy": _time_share("busy_consumers", p["c"])}
    ),
    "mg1-erlang4-070": _steady(1_150_000),
    "mg1-lognormal-cv2-060": _steady(850_000),
    "mg1-h2-cv4-080": _steady(1_400_000),
    "disc-mm1-070-fifo": _steady(350_000),
    "zombie-09-5": _steady(
        320_000,
        metrics=lambda p: {
            "p_timeout": lambda result: 1.0 - float(_within(p["T"], result).mean()),
            "goodput": partial(_goodput, p["T"]),
        },
    ),
    "bounded-goodput-12-5": _bounded_goodput,
    "dm1-080": _steady(290_000),
    "e2m1-080": _steady(360_000),
    "e2e2-080": _steady(1_000_000),
    "mminf-14": _steady(200_000, consumers=lambda p: 80),
    "forkjoin2-080": _fork_join,
    "littles-law-path": _littles_law,
    "percentile-definition": _given_latencies,
    "time-vs-customer-average": _given_steps,
}
"""How PointToPoint answers a case."""

NOT_WITHIN_BUDGET: dict[str, dict[str, float]] = {
    "mm1-transient-t50": {"p_empty_at_t": 8.0},
    "mmc-2": {"Wq_p95": 1.6, "W_p99": 1.8},
    "mmc-10": {
        "p0": 121.0,
        "Lq": 2.1,
        "Wq": 2.1,
        "Wq_given_wait": 3.4,
        "Wq_p95": 4.0,
        "Wq_p99": 1.4,
        "W_p99": 2.6,
    },
    "mmck-5-12": {"p_loss": 120.0, "Lq": 5.2, "Wq": 5.0, "p_wait_admitted": 1.6},
    "bounded-goodput-12-5": {"goodput_K10": 31.2},
}
"""How many times as long the runs would have to be for a standard error of a quarter of the
tolerance, about."""

NOT_MEASURED: dict[str, dict[str, str]] = {
    "mm1-avar-080": dict.fromkeys(
        ["n_times_var_of_mean_Wq", "variance_inflation", "T_times_var_of_time_avg_N"],
        "a variance between runs: 3,200 long runs give it to within 2.5 %, 8 million messages",
    ),
    "mg1-lognormal-cv2-060": {
        "sd_Wq": "hangs on work so long that a run of 10,000 messages seldom meets it: biased"
    },
    "bounded-goodput-12-5": {"best_K": "a choice; K = 3 against 1 and 10 says as much"},
    "e2e2-080": dict.fromkeys(
        ["kingman_upper_bound", "kingman_vut_approximation"], "a formula, not a measurement"
    ),
    "mminf-14": {
        "p0": "once in a million seconds: 700 million messages",
        "N_p95": "a whole number, and P(N <= 20) = 0.952 is so near 0.95 that runs differ by one",
        "N_p99": "a whole number, and P(N <= 23) = 0.991 is so near 0.99 that runs differ by one",
    },
    "percentile-definition": {
        **dict.fromkeys(["p40_linear", "p100"], "a summary has the percentiles 50, 95 and 99"),
        **dict.fromkeys(
            ["p40_nearest_rank", "p30_nearest_rank", "p5_nearest_rank"], "the other definition"
        ),
    },
}
"""Metrics that these runs cannot tell at all, and why."""

DISCIPLINE = "another order of service than first come, first served"
ARRIVALS = "arrivals that are neither independent gaps nor a recorded trace"
NETWORK = "more than one queue"
CLOSED = "a fixed number of callers"
GIVING_UP = "messages that leave before they are served, or come again"
CONSUMER = "a consumer that pauses, fails or takes several messages at once"
PATTERN = "a pattern of calls around the queue"
BROKER = "what a broker does with given messages"
NO_RUN = "a formula or a published measurement"
TRACE = "driven by a recorded trace that is no part of this repository"

NOT_EXPRESSED: dict[str, str] = {
    "engset-4-10": CLOSED,
    "disc-mm1-070-siro": DISCIPLINE,
    "disc-mm1-070-lifo": DISCIPLINE,
    "ps-mm1-ciw": DISCIPLINE,
    "ps-limited-ciw": DISCIPLINE,
    "sjf-mm1-080": DISCIPLINE,
    "prio-np-ciw": DISCIPLINE,
    "mx1-fixed4": ARRIVALS,
    "mmpp-burst": ARRIVALS,
    "mt-minf": ARRIVALS,
    "tandem-2": NETWORK,
    "jackson-3": NETWORK,
    "jsq2-180": NETWORK,
    "po2-090": NETWORK,
    "po3-090": NETWORK,
    "po1-090": NETWORK,
    "redundancy-3-2": NETWORK,
    "line-2-b0": NETWORK,
    "line-3-b0": NETWORK,
    "line-2-b3": NETWORK,
    "pipeline-min": NETWORK,
    "competing-consumers-partitions": NETWORK,
    "closed-10": CLOSED,
    "closed-12-5-R": CLOSED,
    "mva-3": CLOSED,
    "groupcommit-closed-zero-think": CLOSED,
    "feedback-025": GIVING_UP,
    "retries-3-nobackoff": GIVING_UP,
    "erlangA-10": GIVING_UP,
    "mm1-D-3": GIVING_UP,
    "metastable-280": GIVING_UP,
    "metastable-140": GIVING_UP,
    "metastable-280-noretry": GIVING_UP,
    "at-least-once-duplicates": GIVING_UP,
    "vacation-exp": CONSUMER,
    "setup-exp": CONSUMER,
    "breakdown-busy-only": CONSUMER,
    "outage-drain": CONSUMER,
    "prefetch-rtt": CONSUMER,
    "groupcommit-unbounded": CONSUMER,
    "groupcommit-b4": CONSUMER,
    "bulk-gh-partial": CONSUMER,
    "linger-5-02": PATTERN,
    "sync-chain-sum": PATTERN,
    "fanout-100-1pct": PATTERN,
    "hedge-lognormal-p95": PATTERN,
    "retry-amplification": PATTERN,
    "codel-drop-times": PATTERN,
    "breaker-trace": PATTERN,
    "token-bucket": PATTERN,
    "backoff-jitter": PATTERN,
    "dual-write-vs-outbox": PATTERN,
    "rmq-overlap-one-copy": BROKER,
    "rmq-unroutable": BROKER,
    "rmq-prefetch-hold": BROKER,
    "rmq-nack-requeue": BROKER,
    "rmq-maxlen": BROKER,
    "rmq-dlx": BROKER,
    "rmq-durability": BROKER,
    "usl": NO_RUN,
    "bigtable-hedge-published": NO_RUN,
    "trace-azure-conv-c8": TRACE,
    "trace-azure-code-c4": TRACE,
}
"""Cases that are no single queue between one producer and equal consumers, and what they are."""


# The rule


@cache
def _measured(case_id: str) -> dict[str, np.ndarray]:
    experiments = EXPRESSED[case_id](CASES[case_id])
    return {name: values for each in experiments for name, values in each.run().items()}


def _is_absolute(case: dict[str, Any], metric: str) -> bool:
    """Whether the tolerance is a plain distance, for an answer that is next to nothing."""
    return isinstance(case["tolerance"], dict) and isinstance(case["tolerance"].get(metric), str)


def _tolerance(case: dict[str, Any], metric: str) -> float:
    """How far off the metric may be at most, in its own unit."""
    tolerance = case["tolerance"]
    if isinstance(tolerance, dict):
        tolerance = tolerance.get(metric, tolerance.get("default"))
    if isinstance(tolerance, str):
        kind, number = tolerance.split()
        assert kind == "absolute"
        return float(number)
    return float(tolerance) * (abs(case["expected"][metric]) or 1.0)


PAIRS = [
    (case_id, metric)
    for case_id in EXPRESSED
    for metric in CASES[case_id]["expected"]
    if metric not in NOT_MEASURED.get(case_id, {})
]


@pytest.mark.parametrize(("case_id", "metric"), PAIRS)
def test_the_simulation_agrees_with_the_known_answer(case_id: str, metric: str) -> None:
    case = CASES[case_id]
    assert case["tolerance_kind"] == "exact analytic"
    expected, tolerance = case["expected"][metric], _tolerance(case, metric)
    values = _measured(case_id)[metric]
    if len(values) == 1:
        assert abs(values[0] - expected) <= tolerance
        return
    assert len(values) >= 20
    mean, error = values.mean(), values.std(ddof=1) / np.sqrt(len(values))
    if _is_absolute(case, metric):
        assert abs(mean - expected) + 4 * error <= tolerance
        return
    print(f"{mean:.6g} ± {error:.2g}, known {expected:.6g}, error allowed {tolerance / 4:.2g}")
    assert abs(mean - expected) <= 4 * error
    if metric not in NOT_WITHIN_BUDGET.get(case_id, {}):
        assert error <= tolerance / 4
    else:
        assert error > tolerance / 4, "the run is long enough: the excuse can go"


def test_every_case_is_simulated_or_excused() -> None:
    assert not EXPRESSED.keys() & NOT_EXPRESSED.keys()
    assert EXPRESSED.keys() | NOT_EXPRESSED.keys() == CASES.keys()
    for excuses in (NOT_WITHIN_BUDGET, NOT_MEASURED):
        for case_id, metrics in excuses.items():
            assert metrics.keys() <= CASES[case_id]["expected"].keys()
            assert all(metrics.values())
    assert all(NOT_EXPRESSED.values())
