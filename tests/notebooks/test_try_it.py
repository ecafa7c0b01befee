"""What the panels ask the reader to find is there to be found, whatever the seed."""

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest

from simlib.scenarios import Consistency, PointToPoint, PublishSubscribe

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
