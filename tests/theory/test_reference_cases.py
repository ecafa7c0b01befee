"""Every reference case: the function that answers it, or why no function here does."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simlib import theory

FILE = Path(__file__).parents[1] / "reference" / "cases.json"
CASES = {case["id"]: case for case in json.loads(FILE.read_text(encoding="utf-8"))["cases"]}

Parameters = Mapping[str, Any]
Answer = Callable[[Parameters], dict[str, Any]]


def _mm1(p: Parameters) -> dict[str, Any]:
    return _with_percentiles(theory.mm1(p["lam"], p["mu"]))


def _mmc(p: Parameters) -> dict[str, Any]:
    queue = theory.mmc(p["lam"], p["mu"], p["c"])
    return {
        **_with_percentiles(queue),
        "p0": queue.p_empty,
        "Wq_given_wait": queue.Wq / queue.p_wait,
    }


def _mmck(p: Parameters) -> dict[str, Any]:
    queue = theory.mmck(p["lam"], p["mu"], servers=p["c"], capacity=p["K"])
    return {
        **_averages(queue),
        "p_loss": queue.p_loss,
        "throughput": queue.throughput,
        "p_wait_admitted": queue.p_wait,
    }


def _erlang_b(p: Parameters) -> dict[str, Any]:
    queue = theory.mmck(p["lam"], 1 / p["service"]["mean"], p["c"], capacity=p["c"])
    lost = theory.erlang_b(p["lam"] * p["service"]["mean"], p["c"])
    assert math.isclose(queue.p_loss, lost, rel_tol=1e-12)
    return {**_averages(queue), "p_loss": lost}


def _mm1_run_length(p: Parameters) -> dict[str, Any]:
    run = theory.mm1_run_length(p["lam"], p["mu"])
    return {
        "n_times_var_of_mean_Wq": run.wait_asymptotic_variance,
        "var_Wq": run.wait_variance,
        "variance_inflation": run.inflation,
        "T_times_var_of_time_avg_N": run.in_system_asymptotic_variance,
    }


def _first_n(p: Parameters) -> dict[str, Any]:
    waits = theory.mm1_first_n(p["lam"], p["mu"], p["n"])
    return {"mean_Wq_first_n": waits.mean(), "mean_Wq_nth": waits[-1]}


def _transient(p: Parameters) -> dict[str, Any]:
    snapshot = theory.mm1_transient(p["lam"], p["mu"], p["t"])
    return {"mean_N_at_t": snapshot.L, "p_empty_at_t": snapshot.p_empty}


def _engset(p: Parameters) -> dict[str, Any]:
    system = theory.engset(p["N"], p["think_mean"], p["mu"], servers=p["c"])
    return {
        "call_congestion": system.call_congestion,
        "time_congestion": system.time_congestion,
    }


def _md1(p: Parameters) -> dict[str, Any]:
    return _with_percentiles(theory.md1(p["lam"], p["D"]))


def _mdc(p: Parameters) -> dict[str, Any]:
    queue = theory.mdc(p["lam"], p["D"], p["c"])
    return {**_averages(queue), "p_all_busy": queue.p_wait}


def _mg1(p: Parameters) -> dict[str, Any]:
    service = p["service"]
    mean = service.get("mean", 1)
    if service["kind"] == "erlang":
        scv, skewness = 1 / service["k"], 2 / math.sqrt(service["k"])
        lst = theory.erlang_lst(service["k"], mean)
    elif service["kind"] == "lognormal":
        cv = service["cv"]
        scv, skewness, lst = cv**2, cv**3 + 3 * cv, None
    else:
        often, short, long = service["p"], service["m1"], service["m2"]
        mean = often * short + (1 - often) * long
        scv = 2 * (often * short**2 + (1 - often) * long**2) / mean**2 - 1
        third = 6 * (often * short**3 + (1 - often) * long**3) / mean**3
        skewness = (third - 3 * scv - 1) / scv**1.5
        lst = theory.hyperexponential_lst(mean, math.sqrt(scv))
    queue = theory.mg1(p["lam"], mean, scv, service_skewness=skewness, service_lst=lst)
    return _averages(queue) if lst is None else _with_percentiles(queue)


def _fifo(p: Parameters) -> dict[str, Any]:
    queue = theory.mm1(p["lam"], p["mu"])
    return {
        "Wq": queue.Wq,
        "sd_Wq": queue.Wq_sd,
        "Wq_second_moment": queue.Wq_sd**2 + queue.Wq**2,
    }


def _priority(p: Parameters) -> dict[str, Any]:
    queue = theory.mg1_priority(
        [c["lam"] for c in p["classes"]],
        [c["service"]["mean"] for c in p["classes"]],
        [1.0 for _ in p["classes"]],
    )
    return {
        "Wq_class0": queue.Wq[0],
        "Wq_class1": queue.Wq[1],
        "W_class0": queue.W[0],
        "W_class1": queue.W[1],
        "Wq_mean": queue.Wq_mean,
    }


def _batch(p: Parameters) -> dict[str, Any]:
    queue = theory.mg1_batch(p["batch_rate"], p["batch"]["size"], 0, p["service"]["mean"], 1)
    return {**_averages(queue), "Wq_first_of_batch": queue.Wq_first}


def _tandem(p: Parameters) -> dict[str, Any]:
    line = theory.tandem(p["lam"], p["mus"])
    return {
        "W": line.W,
        "sd_W": line.W_sd,
        "L": line.L,
        "throughput": line.throughput,
        **{f"W_p{q}": line.latency_percentile(q) for q in (50, 95, 99)},
    }


def _jackson(p: Parameters) -> dict[str, Any]:
    network = theory.jackson(p["external_rates"], p["routing"], p["mu"], p["servers"])
    answers = {"W": network.W, "L_total": network.L}
    for place, station in enumerate(network.stations):
        answers |= {f"L{place}": station.L, f"lam{place}": station.throughput}
    return answers


def _feedback(p: Parameters) -> dict[str, Any]:
    system = theory.retries(p["lam"], p["mu"], p["p_retry"])
    loop = theory.jackson([p["lam"]], [[p["p_retry"]]], [p["mu"]], [1])
    assert math.isclose(loop.W, system.W_per_request, rel_tol=1e-12)
    return {
        "rho": system.utilisation,
        "effective_arrival_rate": system.attempt_rate,
        "L": system.L,
        "W_per_original_request": system.W_per_request,
        "W_per_attempt": system.W_per_attempt,
        "attempts_per_request": system.attempts_per_request,
    }


def _retries(p: Parameters) -> dict[str, Any]:
    system = theory.retries(p["lam"], p["mu"], p["p_fail"], p["max_attempts"], p["backoff_mean"])
    return {
        "rho": system.utilisation,
        "attempts_per_request": system.attempts_per_request,
        "success_probability": system.success_probability,
        "W_per_attempt": system.W_per_attempt,
        "W_per_request": system.W_per_request,
        "L_server": system.L,
        "goodput": system.goodput,
    }


def _closed(p: Parameters) -> dict[str, Any]:
    system = theory.closed(p["N"], p["think"]["mean"], p["mu"], p["c"])
    return {
        "throughput": system.throughput,
        "R": system.R,
        "L": system.L,
        "utilization": system.utilisation,
    }


def _mva(p: Parameters) -> dict[str, Any]:
    network = theory.mva(p["demands"], p["think_mean"], p["N"])
    return {
        "throughput": network.throughput,
        "R": network.R,
        **{f"U{place}": use for place, use in enumerate(network.utilisation)},
        "X_upper_bound": network.max_throughput,
        "N_star": network.saturation_callers,
    }


def _erlang_a(p: Parameters) -> dict[str, Any]:
    return _abandonment(theory.erlang_a(p["lam"], p["mu"], p["c"], p["patience"]["mean"]))


def _mmc_deadline(p: Parameters) -> dict[str, Any]:
    return _abandonment(theory.mmc_deadline(p["lam"], p["mu"], p["c"], p["patience"]["value"]))


def _abandonment(queue: Any) -> dict[str, Any]:
    return {
        **_averages(queue),
        "p_abandon": queue.p_abandon,
        "Wq_all": queue.Wq,
        "throughput": queue.throughput,
    }


def _zombie(p: Parameters) -> dict[str, Any]:
    queue = theory.mm1(p["lam"], p["mu"])
    return {
        "p_timeout": queue.latency_tail(p["T"]),
        "goodput": queue.goodput(p["T"]),
        "utilization": queue.utilisation,
    }


def _bounded_goodput(p: Parameters) -> dict[str, Any]:
    goodput = {k: theory.mm1k(p["lam"], p["mu"], k).goodput(p["T"]) for k in range(1, 51)}
    best = max(goodput, key=lambda k: goodput[k])
    return {
        **{f"goodput_K{k}": goodput[k] for k in (1, 3, 10, 50)},
        "best_K": best,
        "best_goodput": goodput[best],
    }


def _gm1(p: Parameters) -> dict[str, Any]:
    interarrival = p["interarrival"]
    mean = interarrival["mean"]
    lst = (
        theory.deterministic_lst(mean)
        if interarrival["kind"] == "det"
        else theory.erlang_lst(interarrival["k"], mean)
    )
    queue = theory.gm1(1 / mean, p["mu"], lst)
    return {**_with_percentiles(queue), "sigma": queue.p_wait}


def _gg1(p: Parameters) -> dict[str, Any]:
    interarrival, service = p["interarrival"], p["service"]
    queue = theory.gg1(
        1 / interarrival["mean"], service["mean"], 1 / interarrival["k"], 1 / service["k"]
    )
    return {
        "kingman_upper_bound": queue.Wq_upper_bound,
        "kingman_vut_approximation": queue.Wq,
    }


def _mmpp(p: Parameters) -> dict[str, Any]:
    queue = theory.mmpp_m1(p["rates"], p["switch_rates"], p["mu"])
    return {
        "lam": queue.throughput,
        "L": queue.L,
        "W": queue.W,
        "p_empty": 1 - queue.utilisation,
        "p_empty_seen_by_arrival": 1 - queue.p_wait,
    }


def _fork_join(p: Parameters) -> dict[str, Any]:
    return {"W": theory.fork_join(p["lam"], p["mu"])}


def _split_or_shared(p: Parameters) -> dict[str, Any]:
    each = p["lam_total"] / p["servers"]
    in_turn = theory.erlang_lst(p["servers"], 1 / each)
    return {
        "W_central_queue_MM2": theory.mmc(p["lam_total"], p["mu"], p["servers"]).W,
        "W_random_split": theory.mm1(each, p["mu"]).W,
        "W_round_robin": theory.gm1(each, p["mu"], in_turn).W,
    }


def _choices(p: Parameters) -> dict[str, Any]:
    sojourn = theory.power_of_choices(
        p["lam_per_server"] * p["service_mean"], p["service_mean"], p["d"]
    )
    return {"W_infinite_servers": sojourn}


def _redundancy(p: Parameters) -> dict[str, Any]:
    return {"W": theory.redundancy(p["lam_total"], p["mu"], servers=p["k"], copies=p["d"])}


def _mg_infinity(p: Parameters) -> dict[str, Any]:
    system = theory.mg_infinity(p["lam"], p["service"]["mean"])
    return {
        "L": system.L,
        "var_N": system.in_system_variance,
        "W": system.W,
        "p0": system.p_empty,
        "N_p95": system.in_system_percentile(95),
        "N_p99": system.in_system_percentile(99),
    }


def _mtm_infinity(p: Parameters) -> dict[str, Any]:
    snapshot = theory.mtm_infinity(p["lam0"], p["amp"], p["omega"], p["mu"], p["t"])
    return {"mean_N_at_t": snapshot.L, "var_N_at_t": snapshot.L}


def _vacation(p: Parameters) -> dict[str, Any]:
    return _averages(theory.mg1_vacation(p["lam"], 1 / p["mu"], 1, p["vacation"]["mean"], 1))


def _setup(p: Parameters) -> dict[str, Any]:
    return _averages(theory.mg1_setup(p["lam"], 1 / p["mu"], 1, p["setup"]["mean"], 1))


def _breakdown(p: Parameters) -> dict[str, Any]:
    queue = theory.mg1_breakdown(p["lam"], 1 / p["mu"], 1, p["failure_rate"], p["repair_mean"], 1)
    return {"W": queue.W, "L": queue.L}


def _group_commit(p: Parameters) -> dict[str, Any]:
    writer = theory.group_commit(p["lam"], p["fsync"]["mean"], p["max_batch"])
    return {
        **_averages(writer),
        "mean_batch": writer.mean_batch,
        "throughput": writer.throughput,
        "capacity": writer.max_throughput,
        "mean_batch_seen_by_message": writer.mean_batch_seen_by_message,
    }


def _group_commit_closed(p: Parameters) -> dict[str, Any]:
    writer = theory.group_commit_closed(p["N"], p["D"])
    return {
        "throughput_without_group_commit": writer.one_by_one,
        "throughput_if_batch_taken_before_resubmission": writer.taken_first,
        "throughput_if_resubmission_joins_next_batch": writer.joined_first,
    }


def _linger(p: Parameters) -> dict[str, Any]:
    batch = theory.linger(p["lam"], p["b"], p["linger"])
    return {
        "mean_batch": batch.mean_batch,
        "mean_delay": batch.mean_delay,
        "mean_open_time": batch.mean_open_time,
        "flush_rate": batch.flush_rate,
        "p_closed_by_size": batch.p_closed_by_size,
        "mean_batch_seen_by_message": batch.mean_batch_seen_by_message,
    }


def _blocking_line(p: Parameters) -> dict[str, Any]:
    return {"throughput": theory.blocking_line(p["mus"], p["buffers"])}


def _pipeline(p: Parameters) -> dict[str, Any]:
    line = theory.pipeline(p["lam"], [s["mu"] for s in p["stages"]], [s["c"] for s in p["stages"]])
    return {
        "throughput": line.throughput,
        "bottleneck_stage": line.bottleneck,
        **{
            f"backlog_growth_rate_stage{place}": growth
            for place, growth in enumerate(line.backlog_growth)
        },
    }


def _sync_chain(p: Parameters) -> dict[str, Any]:
    chain = theory.sync_chain([s["mean"] for s in p["stages"]], p["availabilities"])
    return {
        "mean": chain.W,
        "sd": chain.W_sd,
        "p99": chain.latency_percentile(99),
        "availability": chain.availability,
    }


def _fan_out(p: Parameters) -> dict[str, Any]:
    return {
        "p_any_slow": theory.fan_out_slow(p["p_slow"], p["n"]),
        "p_any_slow_1e4_2000": theory.fan_out_slow(1e-4, 2000),
        "per_server_quantile_needed_for_p99": theory.fan_out_percentile(99, p["n"]) / 100,
    }


def _hedge(p: Parameters) -> dict[str, Any]:
    latency = theory.lognormal_survival(p["latency"]["mean"], p["latency"]["cv"])
    hedged = theory.hedge(latency, p["hedge_after"])
    return {
        "mean": hedged.mean,
        "p50": hedged.latency_percentile(50),
        "p95": hedged.latency_percentile(95),
        "p99": hedged.latency_percentile(99),
        "p99_9": hedged.latency_percentile(99.9),
        "p99_unhedged": hedged.unhedged_percentile(99),
        "p999_unhedged": hedged.unhedged_percentile(99.9),
        "extra_requests_fraction": hedged.extra_requests,
    }


def _amplification(p: Parameters) -> dict[str, Any]:
    calls = theory.retry_amplification(p["layers"], p["attempts_per_layer"])
    return {"calls_at_bottom_when_bottom_always_fails": calls}


def _metastable(p: Parameters) -> dict[str, Any]:
    return {"threshold_load": theory.retry_threshold(p["cap"], p["retries"])}


def _redelivery(p: Parameters) -> dict[str, Any]:
    delivery = theory.redelivery(p["q"])
    return {
        "mean_deliveries": delivery.mean_deliveries,
        "duplicate_fraction_of_deliveries": delivery.duplicate_fraction,
        "messages_delivered_more_than_once": delivery.p_duplicated,
    }


def _outbox(p: Parameters) -> dict[str, Any]:
    relay = theory.redelivery(p["relay_crash_after_publish_before_mark"])
    return {"duplicates_fraction_with_outbox": relay.mean_deliveries - 1}


def _usl(p: Parameters) -> dict[str, Any]:
    law = theory.usl(p["gamma"], p["alpha"], p["beta"])
    throughputs = [law.throughput(n) for n in p["N"]]
    fitted = theory.fit_usl(p["N"], throughputs)
    assert np.allclose([fitted.gamma, fitted.alpha, fitted.beta], [1000, 0.03, 0.0005], rtol=1e-9)
    return {"X": throughputs, "N_peak": law.peak}


def _prefetch(p: Parameters) -> dict[str, Any]:
    consumers = [
        theory.prefetch(2 * p["one_way_ms"] / 1000, p["service_ms"] / 1000, limit)
        for limit in p["prefetch"]
    ]
    return {
        "throughput_per_s": [consumer.throughput for consumer in consumers],
        "utilisation": [consumer.utilisation for consumer in consumers],
        "prefetch_to_saturate": consumers[0].saturating_prefetch,
    }


def _outage(p: Parameters) -> dict[str, Any]:
    drained = theory.outage(p["lam"], p["mu"], p["t_out"])
    return {
        "backlog_at_end": drained.backlog,
        "drain_time": drained.drain_time,
        "max_extra_latency_approx": drained.max_delay,
        "sync_failed_requests": drained.backlog,
    }


def _partitions(p: Parameters) -> dict[str, Any]:
    throughputs = [
        theory.partition_throughput(p["partitions"], consumers, p["per_consumer_rate"])
        for consumers in p["consumers"]
    ]
    return {"max_throughput_if_load_even": throughputs}


def _averages(queue: Any) -> dict[str, Any]:
    return {
        "rho": queue.utilisation,
        "utilization": queue.utilisation,
        "L": queue.L,
        "Lq": queue.Lq,
        "W": queue.W,
        "Wq": queue.Wq,
        "p_wait": queue.p_wait,
        "sd_W": queue.W_sd,
        "sd_Wq": queue.Wq_sd,
    }


def _with_percentiles(queue: Any) -> dict[str, Any]:
    percents = (50, 90, 95, 99)
    return {
        **_averages(queue),
        **{f"W_p{q}": queue.latency_percentile(q) for q in percents},
        **{f"Wq_p{q}": queue.wait_percentile(q) for q in percents},
    }


ANSWERS: dict[str, Answer] = {
    "mm1-080": _mm1,
    "mm1-050": _mm1,
    "mm1-R-doc": _mm1,
    "mm1-avar-080": _mm1_run_length,
    "mm1-first25-LawKelton": _first_n,
    "mm1-transient-t50": _transient,
    "mmc-2": _mmc,
    "mmc-10": _mmc,
    "mmc-3-bronson": _mmc,
    "mm1k-5": _mmck,
    "mmck-5-12": _mmck,
    "mmck-2-3-simmer": _mmck,
    "erlangB-8-10-det": _erlang_b,
    "erlangB-20-25-exp": _erlang_b,
    "engset-4-10": _engset,
    "md1-080": _md1,
    "md2-16": _mdc,
    "mg1-erlang4-070": _mg1,
    "mg1-lognormal-cv2-060": _mg1,
    "mg1-h2-cv4-080": _mg1,
    "disc-mm1-070-fifo": _fifo,
    "prio-np-ciw": _priority,
    "mx1-fixed4": _batch,
    "tandem-2": _tandem,
    "jackson-3": _jackson,
    "feedback-025": _feedback,
    "retries-3-nobackoff": _retries,
    "closed-10": _closed,
    "closed-12-5-R": _closed,
    "mva-3": _mva,
    "erlangA-10": _erlang_a,
    "mm1-D-3": _mmc_deadline,
    "zombie-09-5": _zombie,
    "bounded-goodput-12-5": _bounded_goodput,
    "dm1-080": _gm1,
    "e2m1-080": _gm1,
    "e2e2-080": _gg1,
    "mmpp-burst": _mmpp,
    "forkjoin2-080": _fork_join,
    "jsq2-180": _split_or_shared,
    "po1-090": _choices,
    "po2-090": _choices,
    "po3-090": _choices,
    "redundancy-3-2": _redundancy,
    "mminf-14": _mg_infinity,
    "mt-minf": _mtm_infinity,
    "vacation-exp": _vacation,
    "setup-exp": _setup,
    "breakdown-busy-only": _breakdown,
    "groupcommit-unbounded": _group_commit,
    "groupcommit-b4": _group_commit,
    "groupcommit-closed-zero-think": _group_commit_closed,
    "linger-5-02": _linger,
    "line-2-b0": _blocking_line,
    "line-3-b0": _blocking_line,
    "line-2-b3": _blocking_line,
    "pipeline-min": _pipeline,
    "sync-chain-sum": _sync_chain,
    "fanout-100-1pct": _fan_out,
    "hedge-lognormal-p95": _hedge,
    "retry-amplification": _amplification,
    "metastable-280": _metastable,
    "metastable-140": _metastable,
    "metastable-280-noretry": _metastable,
    "at-least-once-duplicates": _redelivery,
    "dual-write-vs-outbox": _outbox,
    "usl": _usl,
    "prefetch-rtt": _prefetch,
    "outage-drain": _outage,
    "competing-consumers-partitions": _partitions,
}

UNANSWERED_METRICS: dict[str, dict[str, str]] = {
    "e2e2-080": dict.fromkeys(
        ["Wq", "W", "L", "p_wait"], "two moments bound or approximate it; exact only by a matrix"
    ),
    "jsq2-180": {"W": "join the shortest queue has no closed form, only a chain in two dimensions"},
    "po2-090": {"W_100_servers_published_sim": "a published simulation"},
    "po3-090": {"W_100_servers_published_sim": "a published simulation"},
    **{
        case: dict.fromkeys(
            ["goodput_fraction_last_100s", "recovers", "recovered_by_s"], "the run of a simulation"
        )
        for case in ("metastable-280", "metastable-140", "metastable-280-noretry")
    },
    "at-least-once-duplicates": dict.fromkeys(
        ["effects_with_idempotent_consumer", "lost"], "a count that a run must give exactly"
    ),
    "dual-write-vs-outbox": {
        "lost_fraction_dual_write": "is a parameter of the case",
        "lost_with_outbox": "a count that a run must give exactly",
    },
    "outage-drain": {"async_failed_requests": "a count that a run must give exactly"},
}

ONLY_QUEUEING_THEORY = "an order of service that message queues do not have"
POLICY = "the trace of a policy, which is code and not a formula"
STATISTIC = "how a statistic is computed from a record"
BROKER = "what a broker does with given messages"
TRACE = "driven by a recorded trace"

UNANSWERED: dict[str, str] = {
    "disc-mm1-070-siro": ONLY_QUEUEING_THEORY,
    "disc-mm1-070-lifo": ONLY_QUEUEING_THEORY,
    "ps-mm1-ciw": ONLY_QUEUEING_THEORY,
    "ps-limited-ciw": ONLY_QUEUEING_THEORY,
    "sjf-mm1-080": ONLY_QUEUEING_THEORY,
    "bulk-gh-partial": "messages that join a sync under way: no log writer works so",
    "bigtable-hedge-published": "a published measurement",
    "codel-drop-times": POLICY,
    "breaker-trace": POLICY,
    "token-bucket": POLICY,
    "backoff-jitter": POLICY,
    "littles-law-path": STATISTIC,
    "percentile-definition": STATISTIC,
    "time-vs-customer-average": STATISTIC,
    "rmq-overlap-one-copy": BROKER,
    "rmq-unroutable": BROKER,
    "rmq-prefetch-hold": BROKER,
    "rmq-nack-requeue": BROKER,
    "rmq-maxlen": BROKER,
    "rmq-dlx": BROKER,
    "rmq-durability": BROKER,
    "trace-azure-conv-c8": TRACE,
    "trace-azure-code-c4": TRACE,
}


@pytest.mark.parametrize("case_id", ANSWERS)
def test_the_known_answer(case_id: str) -> None:
    case = CASES[case_id]
    answers = ANSWERS[case_id](case["parameters"])
    excused = UNANSWERED_METRICS.get(case_id, {})
    expected = {name: value for name, value in case["expected"].items() if name not in excused}
    assert expected
    for name, value in expected.items():
        assert answers[name] == pytest.approx(value, rel=1e-6, abs=1e-12), name


def test_every_case_is_answered_or_excused() -> None:
    assert len(CASES) == 93
    assert not ANSWERS.keys() & UNANSWERED.keys()
    assert ANSWERS.keys() | UNANSWERED.keys() == CASES.keys()
    assert all(UNANSWERED.values())


@pytest.mark.parametrize("case_id", UNANSWERED_METRICS)
def test_an_excused_metric_is_one_that_no_function_gives(case_id: str) -> None:
    case = CASES[case_id]
    excused = UNANSWERED_METRICS[case_id].keys()
    assert excused <= case["expected"].keys()
    assert not excused & ANSWERS[case_id](case["parameters"]).keys()
