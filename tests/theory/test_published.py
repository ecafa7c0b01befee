"""Numbers that others have printed or that follow by another way than the library's."""

from __future__ import annotations

import ast
import math
import sys
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gammaincinv

from simlib import theory


@pytest.mark.parametrize(
    ("offered_load", "servers", "lost"),
    [(8, 10, 0.121661), (15, 18, 0.086169), (1, 1, 0.5), (1, 2, 0.2)],
)
def test_erlang_b_tables(offered_load: float, servers: int, lost: float) -> None:
    assert theory.erlang_b(offered_load, servers) == pytest.approx(lost, abs=5e-7)


def test_bronson_1982() -> None:
    queue = theory.mmc(arrival_rate=300, service_rate=182.5, servers=3)
    assert queue.Lq == pytest.approx(0.352, abs=5e-4)
    assert pytest.approx(1.996, abs=5e-4) == queue.L
    assert queue.p_empty == pytest.approx(0.17754, abs=5e-6)


def test_law_and_kelton() -> None:
    assert theory.mm1_first_n(1, 10 / 9, 25).mean() == pytest.approx(2.12, abs=5e-3)


def test_hunt_1956() -> None:
    assert theory.blocking_line([1, 1], [0]) == pytest.approx(float(Fraction(2, 3)))
    assert theory.blocking_line([1, 1, 1], [0, 0]) == pytest.approx(float(Fraction(22, 39)))


def test_the_tail_at_scale() -> None:
    assert theory.fan_out_slow(0.01, 100) == pytest.approx(0.63, abs=5e-3)
    assert theory.fan_out_slow(1e-4, 2000) == pytest.approx(0.18, abs=5e-3)


def test_rabbitmq_2012() -> None:
    one = theory.prefetch(round_trip=0.1, service_time=0.004, limit=1)
    assert one.utilisation == pytest.approx(0.038, abs=5e-4)
    assert one.saturating_prefetch == 26


@pytest.mark.parametrize("servers", [1, 2, 7, 20])
@pytest.mark.parametrize("use", [0.3, 0.8])
def test_constant_service_by_the_embedded_chain(servers: int, use: float) -> None:
    """Crommelin's equations, solved as they stand."""
    load, size = use * servers, 250
    logs = [n * math.log(load) - load - math.lgamma(n + 1) for n in range(size)]
    arriving = np.exp(logs)
    chain = np.zeros((size, size))
    for state in range(size):
        left = max(0, state - servers)
        chain[state, left:] = arriving[: size - left]
    balance = chain.T - np.eye(size)
    balance[-1] = 1
    total = np.zeros(size)
    total[-1] = 1
    time_in = np.linalg.solve(balance, total)
    waiting = np.maximum(np.arange(size) - servers, 0)
    queue = theory.mdc(load, 1, servers)
    assert queue.Lq == pytest.approx(time_in @ waiting, rel=1e-6, abs=1e-10)
    assert queue.p_wait == pytest.approx(time_in[servers:].sum(), rel=1e-6, abs=1e-10)


@pytest.mark.parametrize("t", [0, 0.5, 1, 1.7, 3, 6.25])
def test_constant_service_by_erlangs_sum(t: float) -> None:
    """Erlang (1909): exact, but alternating, so good for short waits only."""
    load = 0.7
    terms = [
        (load * (j - t)) ** j / math.factorial(j) * math.exp(load * (t - j))
        for j in range(math.floor(t) + 1)
    ]
    assert theory.md1(load, 1).wait_tail(t) == pytest.approx(1 - (1 - load) * sum(terms))


@pytest.mark.parametrize(("servers", "use"), [(3, 0.9), (25, 0.97)])
def test_constant_service_by_simulation(servers: int, use: float) -> None:
    """A server gets every c-th customer, so its queue is E_c/D/1: Lindley's recursion."""
    queue = theory.mdc(use * servers, 1, servers)
    gaps = np.random.default_rng(7).gamma(servers, 1 / (use * servers), (40, 50_000))
    walk = np.cumsum(1 - gaps, axis=1)
    waits = (walk - np.minimum.accumulate(np.minimum(walk, 0), axis=1))[:, 2_000:]
    for q in (50, 90, 99):
        found = np.percentile(waits, q, axis=1)
        error = found.std(ddof=1) / math.sqrt(len(found))
        assert abs(found.mean() - queue.wait_percentile(q)) < 4 * error
    error = waits.mean(axis=1).std(ddof=1) / math.sqrt(len(waits))
    assert abs(waits.mean() - queue.Wq) < 4 * error
    assert error < 0.05 * queue.Wq


def test_bounded_group_commit_by_simulation() -> None:
    writer = theory.group_commit(arrival_rate=6.5, sync_time=1, max_batch=8)
    rng = np.random.default_rng(7)
    arrivals = np.cumsum(rng.exponential(1 / 6.5, 400_000))
    now, taken, syncs, waited, squares = 0.0, 0, 0, 0.0, 0
    while taken < len(arrivals) - 8:
        now = max(now, arrivals[taken])
        batch = arrivals[taken : taken + 8]
        size = int((batch <= now).sum())
        waited += size * now - batch[:size].sum()
        taken, syncs, squares, now = taken + size, syncs + 1, squares + size**2, now + 1
    assert waited / taken == pytest.approx(writer.Wq, rel=0.02)
    assert taken / syncs == pytest.approx(writer.mean_batch, rel=0.005)
    assert squares / taken == pytest.approx(writer.mean_batch_seen_by_message, rel=0.005)


@pytest.mark.parametrize(("servers", "capacity"), [(1, 1), (1, 6), (2, 3), (3, 9), (5, 5)])
def test_bounded_latency_by_its_stages(servers: int, capacity: int) -> None:
    """Who finds n others passes n - c + 1 departures, and then a service."""
    arrivals, service = 2.5, 1.0
    queue = theory.mmck(arrivals, service, servers, capacity)
    weights = [1.0]
    for n in range(1, capacity):
        weights.append(weights[-1] * arrivals / (service * min(n, servers)))
    for t in (0.1, 1, 4):
        tails = []
        for n in range(capacity):
            departures = [1 / (servers * service)] * max(0, n - servers + 1)
            stages = [*departures, 1 / service]
            tails.append(theory.sync_chain(stages, [1] * len(stages)).latency_tail(t))
        expected = np.average(tails, weights=weights)
        assert queue.latency_tail(t) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("drift", [0, 1e-6, -1e-4, 0.9e-3, -0.9e-3, 1.1e-3, -1.1e-3, 0.5, -0.5])
def test_a_deadline_by_the_wait_on_offer(drift: float) -> None:
    """Baccelli and Hebuterne (1981): the density of the wait on offer, integrated as it stands."""
    service, patience = 1.0, 1.0
    arrivals = service + drift

    def density(x: float) -> float:
        return arrivals * math.exp(arrivals * min(x, patience) - service * x)

    short, _ = quad(density, 0, patience)
    long, _ = quad(density, patience, 60)
    before, _ = quad(lambda x: x * density(x), 0, patience)
    queue = theory.mmc_deadline(arrivals, service, 1, patience)
    total = 1 + short + long
    assert queue.p_wait == pytest.approx((short + long) / total, rel=1e-9)
    assert queue.p_abandon == pytest.approx(long / total, rel=1e-9)
    assert queue.Wq == pytest.approx((before + patience * long) / total, rel=1e-9)


def test_who_waits_in_a_batch() -> None:
    """Of four, three wait for certain, and the first with the probability of a busy server."""
    queue = theory.mg1_batch(0.2, 4, 0, 1, 1)
    assert queue.p_wait == pytest.approx((3 + 0.8) / 4)


def test_a_single_client_has_its_syncs_to_itself() -> None:
    alone = theory.group_commit_closed(clients=1, sync_time=0.005)
    assert alone.one_by_one == alone.taken_first == alone.joined_first == 200


def test_the_saturating_prefetch_is_not_fooled_by_binary_fractions() -> None:
    for away in range(200):
        for work in range(1, 20):
            consumer = theory.prefetch(away / 1000, work / 1000, 1)
            assert consumer.saturating_prefetch == -(-(away + work) // work)


def test_a_sum_of_equal_stages_is_erlang() -> None:
    chain = theory.sync_chain([0.25] * 4, [1] * 4)
    for q in (1, 50, 99.9):
        expected = gammaincinv(4, q / 100) / 4
        assert chain.latency_percentile(q) == pytest.approx(expected, rel=1e-9)


def test_a_sum_of_very_different_stages() -> None:
    chain = theory.sync_chain([1e-6, 1.0], [0.5, 0.5])
    assert chain.latency_tail(1) == pytest.approx(math.exp(-1) / (1 - 1e-6), rel=1e-8)
    assert chain.availability == 0.25


class TestExtremes:
    """Many servers and loads near 1."""

    def test_a_thousand_servers(self) -> None:
        queue = theory.mmc(arrival_rate=999.999, service_rate=1, servers=1000)
        assert queue.utilisation == pytest.approx(0.999999)
        assert queue.Wq == pytest.approx(queue.p_wait / 0.001, rel=1e-6)
        assert queue.wait_percentile(99) == pytest.approx(
            math.log(queue.p_wait / 0.01) / 0.001, rel=1e-6
        )
        # Halfin and Whitt (1981), load 1 - x / sqrt(c) with x = 1.
        halfin_whitt = theory.mmc(1000 - math.sqrt(1000), 1, 1000)
        assert halfin_whitt.p_wait == pytest.approx(0.2234, rel=0.03)

    @pytest.mark.parametrize("servers", [1, 2, 1000])
    def test_a_load_of_almost_one(self, servers: int) -> None:
        exponential = theory.mmc(0.999999 * servers, 1, servers)
        constant = theory.mdc(0.999999 * servers, 1, servers)
        # Heavy traffic: constant service waits half as long, and exponentially.
        assert constant.Wq / exponential.Wq == pytest.approx(0.5, rel=2e-2)
        assert constant.wait_percentile(99) == pytest.approx(constant.Wq * math.log(100), rel=1e-2)
        assert constant.wait_tail(constant.wait_percentile(99)) == pytest.approx(0.01, rel=1e-6)

    def test_general_queues_near_one(self) -> None:
        use = 0.999999
        exact = theory.mm1(use, 1)
        assert theory.mg1(use, 1, 1).Wq == pytest.approx(exact.Wq)
        assert theory.gm1(use, 1, theory.exponential_lst(1 / use)).Wq == pytest.approx(
            exact.Wq, rel=1e-4
        )
        assert pytest.approx(exact.W, rel=1e-3) == theory.mmpp_m1([use, use], [1, 1], 1).W

    def test_erlang_b_neither_overflows_nor_vanishes_early(self) -> None:
        assert theory.erlang_b(1e6, 1) == pytest.approx(1e6 / (1e6 + 1))
        assert theory.erlang_b(1e-3, 3) == pytest.approx(1e-9 / 6, rel=2e-3)
        assert theory.erlang_b(100_000, 100_000) == pytest.approx(
            math.sqrt(2 / math.pi / 100_000), rel=1e-2
        )
        assert theory.erlang_c(1, 1000) == 0

    def test_hopeless_overload(self) -> None:
        bounded = theory.mm1k(arrival_rate=1000, service_rate=1, capacity=10_000)
        assert bounded.throughput == pytest.approx(1)
        assert pytest.approx(10_000, abs=0.01) == bounded.L
        assert bounded.latency_percentile(50) == pytest.approx(10_000, rel=1e-3)
        assert bounded.goodput(100) == pytest.approx(0)
        impatient = theory.mmc_deadline(1000, 1, 10, patience=100)
        assert impatient.throughput == pytest.approx(10)
        assert impatient.Wq == pytest.approx(100, rel=1e-2)
        assert theory.erlang_a(1000, 1, 10, 100).throughput == pytest.approx(10)

    def test_many_callers(self) -> None:
        system = theory.closed(callers=100_000, think_mean=10, service_rate=1000, servers=8)
        assert pytest.approx(100_000 / 8000 - 10) == system.R
        assert pytest.approx(100) == theory.closed(100, 0, 1).R
        assert theory.closed(5, 1e-310, 1).throughput == pytest.approx(1)

    def test_light_load(self) -> None:
        assert pytest.approx(1) == theory.mm1(1e-12, 1).W
        assert pytest.approx(1) == theory.mdc(1e-6, 1, 1000).W
        assert theory.mdc(1e-6, 1, 1000).latency_percentile(99) == 1
        assert theory.gm1(1e-6, 1, theory.deterministic_lst(1e6)).p_wait == pytest.approx(0)
        assert pytest.approx(1) == theory.closed(1, 1e9, 1).R


def test_results_are_frozen_and_print_their_numbers() -> None:
    queue = theory.mm1(0.5, 1)
    with pytest.raises(AttributeError):
        queue.W = 3.0  # type: ignore[misc]
    assert repr(queue).startswith("MMc(throughput=0.5, utilisation=0.5, L=1.0, Lq=0.5, W=2.0, ")
    assert "survival" not in repr(theory.mm1k(1, 1, 3))
    assert theory.mm1k(1, 1, 3) == theory.mm1k(1.0, 1.0, 3)
    assert repr(theory.gg1(0.5, 1, 1, 1)).startswith("GG1(")
    assert "heavy traffic" in theory.gg1(0.5, 1, 1, 1).method


def imported(nodes: Iterable[ast.AST]) -> set[str]:
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", sorted(Path(theory.__file__).parent.glob("*.py")), ids=str)
def test_imports_are_few_and_the_slow_ones_wait(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    at_once, ever = imported(tree.body), imported(ast.walk(tree))
    assert ever - at_once <= {"scipy.special"}
    for name in at_once:
        package = ".".join(name.split(".")[:2])
        standard = name.split(".")[0] in sys.stdlib_module_names
        ours = {"simlib.theory", "simlib.extras"}  # the latter says what to install
        assert standard or package in {"numpy", "numpy.typing"} | ours
