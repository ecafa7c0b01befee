"""What must hold whatever the arguments: laws, special cases and limits."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from simlib import theory

loads = st.floats(0.01, 0.98)
rates = st.floats(0.01, 100)
servers = st.integers(1, 30)
scvs = st.floats(0, 9)
percents = st.floats(0, 99.9)


@st.composite
def queues(draw: st.DrawFn) -> theory.Queue:
    """A queue of any kind."""
    use, rate, count = draw(loads), draw(rates), draw(servers)
    scv, other = draw(scvs), draw(scvs)
    room, patience = draw(st.integers(0, 40)), draw(st.floats(0.01, 50))
    overload = draw(st.floats(0.01, 3))
    arrivals, mean = use * rate, 1 / rate
    makers = [
        lambda: theory.mm1(arrivals, rate),
        lambda: theory.mmc(count * arrivals, rate, count),
        lambda: theory.mmck(overload * count * rate, rate, count, count + room),
        lambda: theory.mg_infinity(arrivals, mean),
        lambda: theory.mg1(arrivals, mean, scv),
        lambda: theory.mdc(count * arrivals, mean, count),
        lambda: theory.gm1(arrivals, rate, theory.erlang_lst(count, 1 / arrivals)),
        lambda: theory.gg1(arrivals, mean, other, scv),
        lambda: theory.ggc(count * arrivals, mean, count, other, scv),
        lambda: theory.mg1_batch(arrivals / count, count, 0, mean, scv),
        lambda: theory.mg1_vacation(arrivals, mean, scv, patience, other),
        lambda: theory.mg1_setup(arrivals, mean, scv, patience, other),
        lambda: theory.mg1_breakdown(arrivals / 2, mean, scv, 0.5, 1, other),
        lambda: theory.mmpp_m1([arrivals / 2, arrivals * 1.5], [1 / patience] * 2, rate),
        lambda: theory.group_commit(count * arrivals, mean, count),
        lambda: theory.group_commit(arrivals * count, mean),
        lambda: theory.closed(count, patience, rate, 1 + room),
    ]
    return draw(st.sampled_from(makers))()


@given(queues())
def test_littles_law(queue: theory.Queue) -> None:
    assert pytest.approx(queue.throughput * queue.W, rel=1e-9) == queue.L
    assert pytest.approx(queue.throughput * queue.Wq, rel=1e-9, abs=1e-9) == queue.Lq
    assert 0 <= queue.Wq < queue.W
    assert 0 <= queue.utilisation <= 1 + 1e-12
    assert math.isnan(queue.p_wait) or -1e-12 <= queue.p_wait <= 1 + 1e-12
    assert all(math.isnan(sd) or sd >= 0 for sd in (queue.W_sd, queue.Wq_sd))


@given(overload=st.floats(0.01, 3), rate=rates, count=servers, patience=st.floats(0.01, 50))
def test_littles_law_holds_for_all_arrivals_where_some_give_up(
    overload: float, rate: float, count: int, patience: float
) -> None:
    arrivals = overload * count * rate
    for queue in (
        theory.erlang_a(arrivals, rate, count, patience),
        theory.mmc_deadline(arrivals, rate, count, patience),
    ):
        assert pytest.approx(arrivals * queue.W, rel=1e-9) == queue.L
        assert pytest.approx(arrivals * queue.Wq, rel=1e-9) == queue.Lq
        assert queue.throughput == pytest.approx(arrivals * (1 - queue.p_abandon), rel=1e-9)
        assert queue.throughput <= count * rate * (1 + 1e-9)
        assert 0 <= queue.p_abandon <= queue.p_wait <= 1 + 1e-12


@st.composite
def latency_queues(draw: st.DrawFn, busiest: float = 0.95) -> theory.LatencyQueue:
    """A queue whose distributions are known."""
    use, rate, count = draw(st.floats(0.05, busiest)), draw(rates), draw(st.integers(1, 12))
    room, thinking = draw(st.integers(0, 20)), draw(st.floats(0, 20))
    arrivals, mean = use * rate, 1 / rate
    smooth = theory.erlang_lst(count, mean)
    makers = [
        lambda: theory.mmc(count * arrivals, rate, count),
        lambda: theory.mmck(2 * use * count * rate, rate, count, count + room),
        lambda: theory.closed(count + room, thinking * mean, rate, count),
        lambda: theory.mdc(count * arrivals, mean, count),
        lambda: theory.gm1(arrivals, rate, theory.erlang_lst(count, 1 / arrivals)),
        lambda: theory.mg1(
            arrivals,
            mean,
            1 / count,
            service_skewness=2 / math.sqrt(count),
            service_lst=smooth,
        ),
    ]
    return draw(st.sampled_from(makers))()


@given(latency_queues(), percents, percents)
def test_percentiles_rise_and_agree_with_the_tails(
    queue: theory.LatencyQueue, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    for percentile, tail in (
        (queue.wait_percentile, queue.wait_tail),
        (queue.latency_percentile, queue.latency_tail),
    ):
        assert percentile(low) <= percentile(high)
        at = percentile(high)
        # No more than the rest is beyond it, and no less if it is not an atom.
        assert tail(at) <= 1 - high / 100 + 1e-7
        if at > 0:
            assert tail(at * (1 - 1e-9)) >= 1 - high / 100 - 1e-7
    assert queue.wait_percentile(high) <= queue.latency_percentile(high)
    assert queue.latency_percentile(0) >= 0
    assert queue.wait_tail(0) == pytest.approx(queue.p_wait, abs=1e-9)
    assert queue.latency_percentile(100) == math.inf


@settings(max_examples=30)
@given(latency_queues(busiest=0.8))
def test_the_tails_have_the_means_and_deviations(queue: theory.LatencyQueue) -> None:
    # Constant service leaves kinks at its multiples; pieces between them are smooth.
    piece = queue.W - queue.Wq
    pieces = math.ceil((queue.W + 30 * queue.W_sd) / piece)
    nodes, weights = np.polynomial.legendre.leggauss(8)
    points = (piece * (np.arange(pieces)[:, None] + (nodes + 1) / 2)).ravel()
    widths = np.tile(piece * weights / 2, pieces)
    for tail, mean, sd in (
        (queue.wait_tail, queue.Wq, queue.Wq_sd),
        (queue.latency_tail, queue.W, queue.W_sd),
    ):
        values = np.array([tail(t) for t in points])
        assert values @ widths == pytest.approx(mean, rel=1e-6, abs=1e-7 * queue.W)
        second = 2 * (values * points) @ widths
        assert second == pytest.approx(sd**2 + mean**2, rel=1e-5, abs=1e-6 * queue.W**2)


def fields(queue: theory.Queue, *names: str) -> dict[str, Any]:
    chosen = names or [field.name for field in dataclasses.fields(theory.Queue)]
    return {name: getattr(queue, name) for name in chosen}


def same(one: theory.Queue, other: theory.Queue, *names: str, rel: float = 1e-9) -> bool:
    """Equal in the fields named, or in all that every queue has."""
    return fields(one, *names) == pytest.approx(fields(other, *names), rel=rel, abs=1e-12)


MEANS = ("throughput", "utilisation", "L", "Lq", "W", "Wq", "p_wait")


@given(loads, rates)
def test_one_server_is_the_same_by_every_name(use: float, rate: float) -> None:
    arrivals = use * rate
    exact = theory.mm1(arrivals, rate)
    exponential = theory.exponential_lst(1 / arrivals)
    assert same(exact, theory.mmc(arrivals, rate, servers=1))
    assert same(exact, theory.mg1(arrivals, 1 / rate, 1, service_skewness=2))
    assert same(exact, theory.gm1(arrivals, rate, exponential), rel=1e-7)
    assert same(exact, theory.gg1(arrivals, 1 / rate, 1, 1), "W", "Wq", "L", "Lq")
    assert same(exact, theory.mg1_batch(arrivals, 1, 0, 1 / rate, 1), *MEANS)
    assert same(exact, theory.mmpp_m1([arrivals, arrivals], [1, 2], rate), *MEANS)
    assert same(exact, theory.mg1_breakdown(arrivals, 1 / rate, 1, 1e-12, 1e-3, 1), *MEANS)
    assert pytest.approx(exact.W) == theory.tandem(arrivals, [rate]).W
    assert theory.retries(arrivals, rate, 0).W_per_request == exact.W
    assert theory.power_of_choices(use, 1 / rate, 1) == pytest.approx(exact.W)
    assert theory.redundancy(arrivals, rate, 1, 1) == pytest.approx(exact.W)
    assert theory.mg1_priority([arrivals], [1 / rate], [1]).W[0] == pytest.approx(exact.W)
    far = theory.mm1k(arrivals, rate, capacity=2000)
    assert same(exact, far, rel=1e-6)


@given(loads, rates, servers)
def test_unbounded_room_is_the_limit_of_much_room(use: float, rate: float, count: int) -> None:
    arrivals = use * count * rate
    bounded = theory.mmck(arrivals, rate, count, capacity=count + 3000)
    assert same(bounded, theory.mmc(arrivals, rate, count), rel=1e-6)
    patient = theory.mmc_deadline(arrivals, rate, count, patience=3000 / rate)
    assert same(patient, theory.mmc(arrivals, rate, count), *MEANS, rel=1e-6)


@given(loads, rates)
def test_constant_service_is_mg1_without_variation(use: float, rate: float) -> None:
    exact = theory.md1(use * rate, 1 / rate)
    assert same(exact, theory.mg1(use * rate, 1 / rate, 0, service_skewness=0))
    assert same(exact, theory.mdc(use * rate, 1 / rate, servers=1))
    commit = theory.group_commit(use * rate, 1 / rate, max_batch=1)
    assert same(exact, commit, *MEANS, rel=1e-7)
    assert commit.mean_batch == pytest.approx(1)


@given(loads, st.integers(1, 200))
def test_erlangs_two_formulas(use: float, count: int) -> None:
    load = use * count
    b, c = theory.erlang_b(load, count), theory.erlang_c(load, count)
    assert c == pytest.approx(b / (1 - use * (1 - b)))
    assert b <= c
    assert theory.erlang_b(load, count + 1) < b
    assert theory.mmck(load, 1, count, count).p_loss == pytest.approx(b, rel=1e-9)
    assert theory.mmc(load, 1, count).p_wait == c


@given(
    callers=st.integers(1, 60),
    thinking=st.floats(0, 100),
    rate=rates,
    count=st.integers(1, 8),
)
def test_the_response_time_law(callers: int, thinking: float, rate: float, count: int) -> None:
    system = theory.closed(callers, thinking, rate, count)
    assert pytest.approx(callers / system.throughput - thinking, rel=1e-7, abs=1e-7) == system.R
    assert system.throughput <= system.max_throughput * (1 + 1e-12)
    assert system.throughput <= callers / (thinking + 1 / rate) * (1 + 1e-12)
    one_server = theory.closed(callers, thinking, rate)
    network = theory.mva([1 / rate], thinking, callers)
    assert pytest.approx(network.R, rel=1e-9) == one_server.R
    assert one_server.max_throughput == pytest.approx(network.max_throughput)
    assert one_server.saturation_callers == pytest.approx(network.saturation_callers)


@given(loads, rates, scvs, scvs)
def test_kingmans_bound_is_above_the_truth(
    use: float, rate: float, arrivals: float, service: float
) -> None:
    queue = theory.gg1(use * rate, 1 / rate, arrivals, service)
    assert queue.Wq <= queue.Wq_upper_bound * (1 + 1e-12)
    exact = theory.gm1(use * rate, rate, theory.erlang_lst(3, 1 / (use * rate)))
    assert exact.Wq <= theory.gg1(use * rate, 1 / rate, 1 / 3, 1).Wq_upper_bound


@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.01, 1), scvs), min_size=1, max_size=5))
def test_priorities_conserve_work(classes: list[tuple[float, float, float]]) -> None:
    arrivals, means, variations = zip(*classes, strict=True)
    busy = sum(a * m for a, m in zip(arrivals, means, strict=True))
    arrivals = tuple(0.9 * a / busy for a in arrivals)
    queue = theory.mg1_priority(arrivals, means, variations)
    total = sum(arrivals)
    mean = sum(a * m for a, m in zip(arrivals, means, strict=True)) / total
    square = sum(a * m**2 * (1 + v) for a, m, v in zip(arrivals, means, variations, strict=True))
    fifo = theory.mg1(total, mean, max(0.0, square / total / mean**2 - 1))
    weighted = sum(a * m * w for a, m, w in zip(arrivals, means, queue.Wq, strict=True))
    assert weighted == pytest.approx(0.9 * fifo.Wq)
    assert list(queue.Wq) == sorted(queue.Wq)


@settings(max_examples=25)
@given(loads, st.lists(st.floats(1, 1.5), min_size=1, max_size=6))
def test_a_tandem_is_a_network_in_a_row(use: float, stages: list[float]) -> None:
    row = theory.tandem(use, stages)
    size = len(stages)
    network = theory.jackson(
        [use] + [0] * (size - 1), np.eye(size, k=1).tolist(), stages, [1] * size
    )
    assert pytest.approx(network.W) == row.W
    assert pytest.approx(network.L) == row.L
    assert row.latency_tail(row.latency_percentile(95)) == pytest.approx(0.05)
    assert row.latency_percentile(95) <= sum(
        station.latency_percentile(95) for station in row.stations
    ) * (1 + 1e-9)


@given(st.floats(0.1, 5), st.floats(0.1, 5), st.integers(0, 30))
def test_two_stages_with_a_buffer_are_a_bounded_queue(
    first: float, second: float, places: int
) -> None:
    throughput = theory.blocking_line([first, second], [places])
    # The second stage has a queue of its own place, the buffer, and the blocked item.
    queue = theory.mm1k(first, second, capacity=places + 2)
    assert throughput == pytest.approx(queue.throughput)


@given(st.lists(st.floats(0.5, 2), min_size=3, max_size=3), st.integers(0, 4), st.integers(0, 4))
def test_a_line_carries_as_much_backwards(stages: list[float], one: int, other: int) -> None:
    """Reversibility: Yamazaki and Sakasegawa (1975)."""
    forwards = theory.blocking_line(stages, [one, other])
    backwards = theory.blocking_line(stages[::-1], [other, one])
    assert forwards == pytest.approx(backwards)
    assert forwards < min(stages)
    assert forwards < theory.blocking_line(stages, [one + 1, other])


@given(rates, st.integers(1, 40), st.floats(0, 10))
def test_a_batch_between_no_linger_and_endless_linger(
    rate: float, size: int, expected: float
) -> None:
    batch = theory.linger(rate, size, expected / rate)
    assert 1 <= batch.mean_batch <= min(size, 1 + expected) * (1 + 1e-12)
    assert batch.mean_batch <= batch.mean_batch_seen_by_message * (1 + 1e-12)
    assert 0 <= batch.mean_delay <= batch.mean_open_time * (1 + 1e-12)
    assert batch.mean_open_time <= expected / rate * (1 + 1e-9)
    endless = theory.linger(rate, size, 1000 / rate)
    assert endless.mean_batch == pytest.approx(size)
    assert endless.p_closed_by_size == pytest.approx(1)
    assert endless.mean_delay == pytest.approx((size - 1) / 2 / rate)
    assert theory.linger(rate, size, 0).mean_batch == 1


@given(st.floats(0.5, 20), st.integers(1, 60))
def test_group_commit_between_its_bounds(load: float, limit: int) -> None:
    free = theory.group_commit(load, 1)
    assert 1 <= free.W <= 1.5
    assert free.mean_batch == pytest.approx(load + math.exp(-load))
    if load < 0.95 * limit:
        writer = theory.group_commit(load, 1, limit)
        assert writer.W >= free.W * (1 - 1e-9)
        assert writer.throughput == pytest.approx(writer.mean_batch * writer.utilisation)
        assert writer.mean_batch <= writer.mean_batch_seen_by_message * (1 + 1e-9)
        assert writer.mean_batch_seen_by_message <= limit * (1 + 1e-9)


@settings(max_examples=25)
@given(st.floats(0.05, 0.95), rates)
def test_transients_end_in_the_steady_state(use: float, rate: float) -> None:
    arrivals = use * rate
    steady = theory.mm1(arrivals, rate)
    settled = 60 / (1 - math.sqrt(use)) ** 2 / rate
    if (arrivals + rate) * settled < 4000:
        late = theory.mm1_transient(arrivals, rate, settled)
        assert pytest.approx(steady.L, rel=1e-6) == late.L
        assert late.p_empty == pytest.approx(steady.p_empty, rel=1e-6)
    start = theory.mm1_transient(arrivals, rate, 0)
    assert (start.L, start.p_empty) == (0, 1)
    waits = theory.mm1_first_n(arrivals, rate, 40_000)
    assert waits[0] == 0
    assert waits[1] == pytest.approx(arrivals / (arrivals + rate) / rate)
    assert np.all(np.diff(waits) >= 0)
    assert waits[-1] == pytest.approx(steady.Wq, rel=1e-6)


@settings(max_examples=25)
@given(st.floats(1.5, 5), st.floats(1, 20))
def test_an_overload_grows_at_the_difference_of_the_rates(arrivals: float, time: float) -> None:
    later, earlier = (theory.mm1_transient(arrivals, 1, 100 + t) for t in (time, 0))
    assert pytest.approx((arrivals - 1) * time, rel=1e-2) == later.L - earlier.L


@given(
    st.floats(0.1, 100),
    st.floats(0, 1),
    st.floats(0.01, 10),
    st.floats(0.01, 10),
    st.floats(0.01, 20),
)
def test_the_flow_into_unlimited_servers(
    mean: float, share: float, frequency: float, service: float, time: float
) -> None:
    swing = share * mean
    snapshot = theory.mtm_infinity(mean, swing, frequency, service, time)

    def still_there(u: float) -> float:
        return (mean + swing * math.sin(frequency * u)) * math.exp(-service * (time - u))

    expected, _ = quad(still_there, 0, time, limit=500, epsabs=1e-10)
    assert pytest.approx(expected, rel=1e-6, abs=1e-8) == snapshot.L
    assert snapshot.p_empty == math.exp(-snapshot.L)


@settings(max_examples=25)
@given(st.floats(0.1, 10), st.floats(0.05, 5))
def test_hedging_exponential_latencies(mean: float, after: float) -> None:
    """Without memory, the second request halves what is left."""
    hedged = theory.hedge(lambda t: math.exp(-t / mean), after * mean)
    assert hedged.extra_requests == pytest.approx(math.exp(-after))
    assert hedged.mean == pytest.approx(mean * (1 - math.exp(-after) / 2), rel=1e-9)
    assert hedged.unhedged_percentile(50) == pytest.approx(mean * math.log(2))
    for q in (1, 50, 99):
        assert hedged.latency_percentile(q) <= hedged.unhedged_percentile(q)


@given(st.integers(1, 20), st.floats(0.1, 100))
def test_fan_out(calls: int, mean: float) -> None:
    slowest, _ = quad(lambda t: theory.fan_out_slow(math.exp(-t), calls), 0, 60, limit=200)
    assert theory.fan_out_mean(mean, calls) == pytest.approx(mean * slowest, rel=1e-6)
    each = theory.fan_out_percentile(99, calls)
    assert theory.fan_out_slow(1 - each / 100, calls) == pytest.approx(0.01)
    assert theory.fan_out_slow(1, calls) == 1
    assert theory.fan_out_slow(0, calls) == 0


@given(loads, rates, servers)
def test_who_looks_at_more_queues_waits_less(use: float, rate: float, count: int) -> None:
    more, fewer = (theory.power_of_choices(use, 1 / rate, d) for d in (count + 1, count))
    assert 1 / rate <= more <= fewer
    split = theory.redundancy(use * count * rate, rate, count, 1)
    assert split == pytest.approx(theory.mm1(use * rate, rate).W, rel=1e-9)
    everywhere = theory.redundancy(use * count * rate, rate, count, count)
    assert everywhere == pytest.approx(theory.mm1(use * rate, rate).W / count, rel=1e-9)


@given(st.floats(0.01, 0.9), st.integers(1, 10), st.floats(0, 10))
def test_retries_end(failing: float, most: int, backoff: float) -> None:
    limited = theory.retries(0.05, 1, failing, most, backoff)
    endless = theory.retries(0.05, 1, failing, None, backoff)
    assert limited.attempts_per_request == pytest.approx(sum(failing**k for k in range(most)))
    assert limited.success_probability == pytest.approx(1 - failing**most)
    assert limited.W_per_request <= endless.W_per_request
    assert endless.success_probability == 1
    assert endless.goodput == 0.05
    waited = (limited.attempts_per_request - 1) * backoff
    served = theory.retries(0.05, 1, failing, most).W_per_request
    assert limited.W_per_request == pytest.approx(served + waited)


@given(loads, rates, servers)
def test_impatience_without_patience_is_loss(use: float, rate: float, count: int) -> None:
    arrivals = 2 * use * count * rate
    lost = theory.erlang_b(arrivals / rate, count)
    for give_up in (theory.erlang_a, theory.mmc_deadline):
        queue = give_up(arrivals, rate, count, 1e-9 / arrivals)
        assert queue.p_abandon == pytest.approx(lost, rel=1e-6)
    # If waiting ends as fast as service, everyone is served at once, as it were.
    assert pytest.approx(arrivals / rate) == theory.erlang_a(arrivals, rate, count, 1 / rate).L


@given(st.floats(0.1, 20), st.integers(1, 20))
def test_many_callers_are_a_poisson_stream(load: float, count: int) -> None:
    system = theory.engset(10**6, 10**6 / load, 1, count)
    lost = theory.erlang_b(load, count)
    assert system.call_congestion == pytest.approx(lost, rel=1e-3)
    assert system.time_congestion == pytest.approx(lost, rel=1e-3)
    assert theory.engset(count, 1, 1, count).call_congestion == 0


@given(st.floats(1, 1000), st.floats(0, 0.5), st.floats(0, 0.01))
def test_scalability_is_found_again(gamma: float, alpha: float, beta: float) -> None:
    law = theory.usl(gamma, alpha, beta)
    workers = [1, 2, 4, 8, 16, 32]
    fitted = theory.fit_usl(workers, [law.throughput(n) for n in workers])
    assert fitted.gamma == pytest.approx(gamma, rel=1e-9)
    assert fitted.alpha == pytest.approx(alpha, abs=1e-9)
    assert fitted.beta == pytest.approx(beta, abs=1e-9)
    if math.isfinite(law.peak) and law.peak < 1e6:
        assert law.throughput(law.peak) >= law.throughput(law.peak * 1.1)
        assert law.throughput(law.peak) >= law.throughput(law.peak * 0.9)


@given(loads, st.floats(0.001, 1), st.floats(0.5, 0.99))
def test_run_length_shrinks_with_the_square_of_the_width(
    use: float, width: float, confidence: float
) -> None:
    run = theory.mm1_run_length(use, 1)
    assert pytest.approx(theory.mm1(use, 1).Wq) == run.Wq
    assert run.wait_variance == pytest.approx(theory.mm1(use, 1).Wq_sd ** 2)
    assert run.inflation > 1
    assert run.duration(width / 2, confidence) == pytest.approx(4 * run.duration(width, confidence))
    assert run.customers(width / 2, confidence) >= 4 * run.customers(width, confidence) - 4
    assert run.customers(width, confidence) <= run.customers(width, (1 + confidence) / 2)


@given(st.integers(1, 500), st.floats(0.001, 1), st.floats(0, 1))
def test_the_saturating_prefetch_saturates(limit: int, work: float, away: float) -> None:
    consumer = theory.prefetch(away, work, limit)
    least = consumer.saturating_prefetch
    assert theory.prefetch(away, work, least).utilisation == 1
    if least > 1:
        assert theory.prefetch(away, work, least - 1).utilisation < 1
    assert consumer.throughput == pytest.approx(min(limit / (away + work), 1 / work))
