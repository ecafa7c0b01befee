"""What the panels ask the reader to find is there to be found, whatever the seed."""

import ast
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest

from simlib import LogNormal
from simlib.scenarios import (
    ApiStyles,
    Composition,
    Consistency,
    Overload,
    PointToPoint,
    PublishSubscribe,
)

FOLDER = Path(__file__).parents[2] / "notebooks"
SEEDS = (1, 2, 3)


def set_up(notebook: str, *bases: str) -> SimpleNamespace:
    """What the panel's cell makes before it makes the panel, from what the ``bases`` are called."""
    (file,) = FOLDER.glob(f"{notebook}_*.ipynb")
    notebook_cells = nbformat.reads(file.read_text(encoding="utf-8"), as_version=4).cells
    sources = [cell.source for cell in notebook_cells if cell.cell_type == "code"]
    names: dict[str, Any] = {}
    for source in sources:
        for node in ast.parse(source).body:
            imports = isinstance(node, ast.Import | ast.ImportFrom)
            if imports or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in bases):
                exec(ast.unparse(node), names)
    (cell,) = [source for source in sources if "trial = panel(" in source]
    names["figures"] = []
    exec(cell.partition("trial = panel(")[0], names)
    return SimpleNamespace(**names)


@pytest.fixture(scope="module")
def remembering() -> SimpleNamespace:
    return set_up("03", "rush")


@pytest.fixture(scope="module")
def subscribing() -> SimpleNamespace:
    return set_up("05", "fan")


@pytest.fixture(scope="module")
def asking() -> SimpleNamespace:
    return set_up("06", "in_turn")


@pytest.fixture(scope="module")
def confirming() -> SimpleNamespace:
    return set_up("12")


def latency(scenario: PointToPoint | PublishSubscribe, seed: int) -> float:
    return float(scenario.run(seed).summary()["latency_mean"])


def lost(scenario: PointToPoint, fates: dict[str, Any], seed: int) -> int:
    return sum(scenario.replace(**fate).run(seed).ledger.lost for fate in fates.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_only_one_way_loses_nothing_and_is_fast(remembering: SimpleNamespace, seed: int) -> None:
    found = []
    for queue in ("memory", "file", "sqlite"):
        for sync in ("always",) if queue == "memory" else ("never", "batch", "always"):
            scenario = remembering.start.replace(queue=queue, sync=sync)
            if latency(scenario, seed) < 0.75e-3 and not lost(scenario, remembering.fates, seed):
                found.append((queue, sync))
    assert found == [("file", "always")]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_second_consumer_makes_the_database_fast_enough(
    remembering: SimpleNamespace, seed: int
) -> None:
    database = remembering.start.replace(queue="sqlite")
    assert latency(database, seed) > 1e-3
    assert latency(database.replace(consumers=2), seed) < 1e-3


@pytest.mark.parametrize("seed", SEEDS)
def test_slower_work_takes_a_second_consumer(remembering: SimpleNamespace, seed: int) -> None:
    slower = remembering.start.replace(service=remembering.work["0.3 ms"])
    assert slower.load == pytest.approx(1.2)
    assert slower.run(seed).summary()["unfinished"] > 100
    assert slower.replace(consumers=2).run(seed).summary()["unfinished"] < 20


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("queue", "busy"), [("file", 8_000), ("sqlite", 6_000)])
def test_lingering_is_faster_where_the_disk_is_short_of_time(
    remembering: SimpleNamespace, queue: str, busy: int, seed: int
) -> None:
    four = remembering.start.replace(queue=queue, consumers=4, duration=0.15)
    for rate, faster in ((busy, True), (2_000, False)):
        each, three = (
            latency(four.replace(arrival_rate=rate, linger=remembering.lingers[name]), seed)
            for name in ("a put each", "3 per put")
        )
        assert (three < each) is faster


@pytest.mark.parametrize("seed", SEEDS)
def test_memory_loses_next_to_nothing_when_nothing_waits(
    remembering: SimpleNamespace, seed: int
) -> None:
    memory = remembering.start.replace(queue="memory")
    losses = {
        name: memory.replace(**fate).run(seed).ledger.lost
        for name, fate in remembering.fates.items()
    }
    assert losses["all is well"] == 0
    assert losses["power cut"] <= 5
    assert losses["power cut, nobody consumes"] > 100


@pytest.mark.parametrize("seed", SEEDS)
def test_a_subscriber_that_is_too_slow_falls_behind(
    subscribing: SimpleNamespace, seed: int
) -> None:
    behind = []
    for factor in (1.0, 1.5, 2.0):
        run = subscribing.rush.replace(slow_factor=factor).run(seed)
        behind.append(run.part(run.labels["queue"] == 2).ledger.ready)
    assert behind[0] < 20
    assert 50 < behind[1] < behind[2]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bound_keeps_the_slow_one_near_the_present(
    subscribing: SimpleNamespace, seed: int
) -> None:
    free, bounded = (
        subscribing.rush.replace(capacity=length).run(seed).summary() for length in (None, 20)
    )
    assert bounded["dropped"] > 100
    assert bounded["latency_mean_3"] < 4 < free["latency_mean_3"]
    assert bounded["latency_mean_1"] == pytest.approx(free["latency_mean_1"], rel=0.2)


@pytest.mark.parametrize("seed", SEEDS)
def test_two_of_three_competing_subscribers_cannot_carry_the_traffic(
    subscribing: SimpleNamespace, seed: int
) -> None:
    three = subscribing.rush.replace(arrangement="competing", arrival_rate=16)
    loads = [three.replace(subscribers=number).load for number in (2, 3, 4)]
    assert loads == pytest.approx([1.07, 0.64, 0.46], abs=0.005)
    two, *enough = (
        three.replace(subscribers=number).run(seed).summary()["unfinished"] for number in (2, 3, 4)
    )
    assert two > 50
    assert max(enough) < 20


@pytest.mark.parametrize("seed", SEEDS)
def test_a_large_prefetch_hurts_those_who_compete(subscribing: SimpleNamespace, seed: int) -> None:
    three = subscribing.rush.replace(arrangement="competing", arrival_rate=20)
    assert latency(three.replace(prefetch=100), seed) > 10 * latency(three, seed)


@pytest.fixture(scope="module")
def ordering() -> SimpleNamespace:
    return set_up("08", "shop", "two", "counted")


def broken(scenario: Consistency, step: str | None, seed: int, **changes: Any) -> float:
    return float(scenario.replace(crash_after=step, **changes).run(seed).summary()["broken"])


@pytest.mark.parametrize("seed", SEEDS)
def test_only_memory_keeps_an_outbox_right(ordering: SimpleNamespace, seed: int) -> None:
    crashes = ordering.controls["crash_after"].values()
    assert not any(broken(ordering.start, step, seed) for step in crashes)
    assert any(broken(ordering.start, step, seed, dedup="none") for step in crashes)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_relay_that_sleeps_less_lets_all_know_sooner(
    ordering: SimpleNamespace, seed: int
) -> None:
    calm = ordering.start.replace(crash_after=None)
    ages = [
        float(calm.replace(polling=sleep).run(seed).summary()["staleness_mean"])
        for sleep in ordering.controls["polling"].values()
    ]
    assert ages == sorted(ages)


def page_time(page: ApiStyles) -> float:
    return float(page.run().summary()["page_time"])


def test_forty_connections_are_as_fast_as_any_number(asking: SimpleNamespace) -> None:
    times = [page_time(asking.in_turn.replace(parallel=n)) for n in (1, 20, 39, 40, 100)]
    assert times[0] > times[1] == pytest.approx(times[2])
    assert times[2] > times[3] == times[4]


def test_one_naive_request_is_as_fast_as_two_rounds_at_35_ms(asking: SimpleNamespace) -> None:
    parallel = asking.in_turn.replace(parallel=40)
    naive = asking.in_turn.replace(style="graphql")
    for rtt, faster in ((0.03, parallel), (0.04, naive)):
        times = {way: page_time(way.replace(rtt=rtt)) for way in (parallel, naive)}
        assert min(times, key=lambda way: times[way]) == faster
    at_35 = [page_time(way.replace(rtt=0.035)) for way in (parallel, naive)]
    assert at_35 == pytest.approx([0.078, 0.078], rel=0.01)


def test_no_number_of_connections_makes_up_for_batches(asking: SimpleNamespace) -> None:
    hundred = asking.in_turn.replace(orders=100)
    times = [page_time(hundred.replace(parallel=n)) for n in (1, 6, 50, 99, 100)]
    assert sorted(times, reverse=True) == times
    batched = [page_time(hundred.replace(parallel=n, batched=True)) for n in (1, 2, 100)]
    assert [times[-1], *batched] == pytest.approx([0.147, 0.135, 0.093, 0.093], abs=0.001)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_copy_after_a_tenth_of_a_second_is_early_enough(seed: int) -> None:
    plain = Composition(shape="fan-out", calls=100, latency=LogNormal(0.01, cv=2), availability=1.0)
    found = {
        (after, cancel): plain.replace(hedge_after=after, cancel=cancel).run(seed).summary()
        for after in (0.02, 0.1, 0.15)
        for cancel in (True, False)
    }
    assert found[0.1, True]["latency_p99"] < 0.15 < found[0.15, True]["latency_p99"]
    assert found[0.1, True]["calls_per_request"] < 101
    assert found[0.02, True]["hedged"] == pytest.approx(1 / 8, rel=0.1)
    assert found[0.02, True]["latency_p99"] == pytest.approx(0.096, rel=0.06)
    work = plain.run(seed).summary()["work_mean"]
    for after in (0.02, 0.1, 0.15):
        assert found[after, True]["work_mean"] < 0.99 * work
        more = found[after, False]["work_mean"] / work - 1
        assert more == pytest.approx(found[after, False]["hedged"], abs=0.005)


@pytest.fixture(scope="module")
def overloaded() -> Overload:
    return Overload(duration=60, **set_up("07").trouble["hang"])


def recovered(scenario: Overload, seed: int) -> float:
    """When as many calls as before are answered in time again (s), inf if never."""
    return float(scenario.run(seed).extras["recovered_at"])


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_it_recovers_without_retries_only(overloaded: Overload, seed: int) -> None:
    assert 35 < recovered(overloaded.replace(retries=0), seed) < 60
    assert recovered(overloaded.replace(retries=1), seed) == inf


@pytest.mark.parametrize("seed", SEEDS)
def test_it_recovers_where_all_attempts_are_less_than_it_can_do(
    overloaded: Overload, seed: int
) -> None:
    assert recovered(overloaded.replace(arrival_rate=70), seed) <= 30
    assert recovered(overloaded.replace(arrival_rate=80), seed) == inf


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_a_short_queue_helps_and_so_does_serving_who_comes_now(
    overloaded: Overload, seed: int
) -> None:
    assert recovered(overloaded.replace(bound=100), seed) == 14
    assert recovered(overloaded.replace(bound=300), seed) == inf
    orders = ("lifo", "adaptive", "codel")
    last_first, adaptive, codel = (recovered(overloaded.replace(order=o), seed) for o in orders)
    assert max(last_first, adaptive) < 23
    assert 50 < codel < 60


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("network", "window"), [("1.9 ms", 8), ("3.8 ms", 16)])
def test_a_window_twice_as_large_bears_twice_the_network(
    confirming: SimpleNamespace, network: str, window: int, seed: int
) -> None:
    far = confirming.start.replace(network=confirming.controls["network"][network])
    took = {
        most: float(far.replace(unconfirmed=most).run(seed).summary()["confirm_mean"])
        for most in (window - 2, window - 1, window)
    }
    assert took[window] < 0.015 < took[window - 1] < took[window - 2]


def test_what_a_call_costs_matters_next_door_and_not_far_away() -> None:
    trial = set_up("13")
    page = ApiStyles(batched=False, parallel=1)
    far = page.replace(work=0.005).run().duration / page.run().duration
    assert far == pytest.approx(1.1, abs=0.02)
    near = page.replace(rtt=trial.controls["rtt"]["next door"])
    slow = near.replace(work=trial.controls["work"]["5 ms"])
    assert slow.run().duration > 2 * near.run().duration
    assert slow.replace(style="rpc").run().duration == pytest.approx(0.007, abs=0.0005)
    assert slow.replace(parallel=6).run().duration == pytest.approx(0.056, abs=0.0005)
