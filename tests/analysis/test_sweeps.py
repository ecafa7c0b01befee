"""Sweeps: every point, the same seeds, and nothing done twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simlib import Deterministic, Erlang, Exponential, Replay, Trace
from simlib.analysis import DoubtWarning, interval, intervals, sweep
from simlib.scenarios import PointToPoint

# Short runs will do for what is tested here; that they are said to be short is tested, too.
pytestmark = pytest.mark.filterwarnings("ignore::simlib.analysis.DoubtWarning")

SHORT = PointToPoint(messages=300)
GRID = {"load": [0.5, 0.8], "consumers": [1, 2, 3]}


def test_a_grid_is_run_in_full_and_in_order() -> None:
    table = sweep(SHORT, GRID, replications=2, progress=False)
    assert len(table) == 2 * 3 * 2
    assert table["load"].tolist() == [0.5] * 6 + [0.8] * 6
    assert table["consumers"].tolist() == [1, 1, 2, 2, 3, 3] * 2
    one = SHORT.replace(load=0.8, consumers=2)
    row = table[(table["load"] == 0.8) & (table["consumers"] == 2)].iloc[1]
    assert row["latency_mean"] == one.run(int(row["seed"])).summary()["latency_mean"]


def test_all_points_meet_the_same_seeds() -> None:
    table = sweep(SHORT, GRID, replications=2, progress=False)
    assert table.groupby("replication")["seed"].nunique().tolist() == [1, 1]


def test_the_numbers_do_not_depend_on_the_number_of_processes() -> None:
    serial = sweep(SHORT, GRID, replications=2, progress=False)
    assert sweep(SHORT, GRID, replications=2, n_jobs=2, progress=False).equals(serial)


def test_distributions_can_be_swept() -> None:
    values = {"service": [Exponential(mean=1.0), Erlang(k=4, mean=1.0)]}
    table = sweep(SHORT, values, replications=1, progress=False)
    assert table["service"].tolist() == values["service"]
    assert table["latency_mean"].nunique() == 2


def test_a_latin_hypercube_has_one_point_in_every_stratum() -> None:
    table = sweep(
        SHORT, {"load": (0.2, 1.2), "consumers": (1, 5)}, points=10, replications=1, progress=False
    )
    strata = ((table["load"] - 0.2) * 10).astype(int)
    assert sorted(strata) == list(range(10))
    assert sorted(table["consumers"]) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_intervals_are_those_of_each_point() -> None:
    table = sweep(SHORT, {"load": [0.5, 0.8]}, replications=4, progress=False)
    found = intervals(table, ["load"], ["latency_mean"])
    expected = interval(table[table["load"] == 0.8]["latency_mean"])
    assert found["load"].tolist() == [0.5, 0.8]
    assert found.iloc[1][["latency_mean", "latency_mean_low", "latency_mean_high"]].tolist() == [
        expected.mean,
        expected.low,
        expected.high,
    ]


def test_a_point_that_fails_is_reported_and_the_rest_go_on() -> None:
    with pytest.warns(UserWarning, match=r"2 of 6 runs failed; the first at \{'load': -1\}"):
        table = sweep(SHORT, {"load": [0.5, -1, 0.8]}, replications=2, progress=False)
    assert table["error"].notna().tolist() == [False, False, True, True, False, False]
    assert "load must be a number > 0 and <= 2, got -1" in table["error"][2]
    assert table["latency_mean"].isna().tolist() == [False, False, True, True, False, False]


@pytest.mark.parametrize("load", [0, -1, 2.5, 3, float("inf"), float("nan"), True, "1"])
def test_a_load_obeys_its_bound(load: object) -> None:
    with pytest.raises(ValueError, match="load must be a number > 0 and <= 2, got"):
        SHORT.replace(load=load)
    assert SHORT.replace(load=2).load == pytest.approx(2)
    with pytest.raises(ValueError, match="arrival_rate must be a number > 0, got -1"):
        SHORT.replace(arrival_rate=-1)


def test_what_is_stored_is_not_run_again(tmp_path: Path) -> None:
    store = tmp_path / "runs.jsonl"
    first = sweep(SHORT, GRID, replications=2, store=store, progress=False)
    lines = store.read_text().splitlines()
    assert len(lines) == 1 + len(first)
    assert sweep(SHORT, GRID, replications=2, store=store, progress=False).equals(first)
    assert store.read_text().splitlines() == lines
    sweep(SHORT, GRID, replications=3, store=store, progress=False)
    assert len(store.read_text().splitlines()) == 1 + len(first) + 6


def test_another_scenario_takes_nothing_from_the_store(tmp_path: Path) -> None:
    store = tmp_path / "runs.jsonl"
    sweep(SHORT, {"load": [0.5]}, replications=1, store=store, progress=False)
    longer = SHORT.replace(messages=301)
    table = sweep(longer, {"load": [0.5]}, replications=1, store=store, progress=False)
    assert table["published"].tolist() == [301]


def test_a_line_torn_by_a_kill_is_cut_and_run_again(tmp_path: Path) -> None:
    store = tmp_path / "runs.jsonl"
    first = sweep(SHORT, GRID, replications=1, store=store, progress=False)
    whole = store.read_bytes()
    store.write_bytes(whole[:-25])
    assert sweep(SHORT, GRID, replications=1, store=store, progress=False).equals(first)
    assert sorted(store.read_bytes().splitlines()) == sorted(whole.splitlines())


def test_a_store_that_is_none_is_refused_with_its_line(tmp_path: Path) -> None:
    store = tmp_path / "notes.txt"
    store.write_text('{"scenario": "x", "is": "y"}\nhello\n')
    with pytest.raises(ValueError, match=r"notes.txt, line 2 is no run of a sweep"):
        sweep(SHORT, GRID, store=store, progress=False)
    assert store.read_text().endswith("hello\n")


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: None,
        lambda entry: 5,
        lambda entry: [],
        lambda entry: "run",
        lambda entry: {},
        lambda entry: entry | {"run": 5},
        lambda entry: entry | {"summary": {}},
        lambda entry: entry | {"summary": "words"},
        lambda entry: entry | {"summary": entry["summary"] | {"latency_mean": "words"}},
        lambda entry: entry | {"summary": entry["summary"] | {"duration": None}},
        lambda entry: entry | {"signs": []},
        lambda entry: entry | {"signs": ["many", False, True]},
    ],
)
def test_a_line_that_is_no_run_is_refused(damage, tmp_path: Path) -> None:
    store = tmp_path / "runs.jsonl"
    sweep(SHORT, {"load": [0.5]}, replications=1, store=store, progress=False)
    scenario, run = store.read_text().splitlines()
    store.write_text(f"{scenario}\n{json.dumps(damage(json.loads(run)))}\n")
    with pytest.raises(ValueError, match=r"runs.jsonl, line 2 is no run of a sweep"):
        sweep(SHORT, {"load": [0.5]}, replications=1, store=store, progress=False)


def test_a_store_of_an_earlier_version_is_refused_by_name(tmp_path: Path) -> None:
    store = tmp_path / "runs.jsonl"
    store.write_text('{"run": "PointToPoint{} {} 5", "summary": {"throughput": 0.5}}\n')
    with pytest.raises(ValueError, match=r"line 1 is from an earlier version.*give a new file"):
        sweep(SHORT, GRID, store=store, progress=False)


def test_a_store_keeps_a_trace_once(tmp_path: Path) -> None:
    store = tmp_path / "runs.jsonl"
    recorded = [float(instant) for instant in range(2_000)]
    shop = PointToPoint(interarrival=Trace(times=recorded))
    values = {"service": [Replay(values=[w] * 2_000) for w in (0.5, 0.9)], "consumers": [1, 2]}
    first = sweep(shop, values, replications=3, store=store, progress=False)
    scenario, *runs = store.read_text().splitlines()
    assert len(runs) == 12
    assert max(map(len, runs)) < 1_000 < len(scenario)
    assert sweep(shop, values, replications=3, store=store, progress=False).equals(first)


def test_the_doubts_of_a_sweep_are_a_column_and_a_warning(tmp_path: Path) -> None:
    values = {"load": [0.3, 0.9, 1.2]}
    long = PointToPoint(messages=3_000)
    with pytest.warns(DoubtWarning, match=r"2 of 3 points are in doubt; the first at .*0.9.*short"):
        table = sweep(long, values, replications=10, progress=False)
    assert not table["doubts"][:10].any()
    assert table["doubts"][10:20].str.contains("short for a load of 0.9: M/M/1").all()
    assert table["doubts"][20:].str.contains("no steady state").all()
    # What is read from a store is judged by the number of runs that there are now.
    store = tmp_path / "runs.jsonl"
    few = sweep(long, values, replications=1, store=store, progress=False)
    assert few["doubts"].str.contains("short for a load of 0.3").sum() == 0
    assert sweep(long, values, replications=10, store=store, progress=False).equals(table)


def test_copies_of_one_run_are_no_replications() -> None:
    fixed = PointToPoint(interarrival=Deterministic(1.0), service=Deterministic(0.5), messages=50)
    with pytest.warns(DoubtWarning, match="all 3 runs are the same: nothing in them is random"):
        table = sweep(fixed, {"consumers": [1, 2]}, replications=3, progress=False)
    assert table["doubts"].str.contains("all 3 runs are the same").all()
    assert not sweep(fixed, {"consumers": [1]}, replications=1, progress=False)["doubts"].any()


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_a_killed_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    store = tmp_path / "runs.jsonl"
    code = (
        "from simlib.analysis import sweep; from simlib.scenarios import PointToPoint;"
        f"sweep(PointToPoint(messages=300), {{'load': [k / 1000 for k in range(100, 900)]}},"
        f"replications=1, store={str(store)!r}, progress=False)"
    )
    child = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60
    while not store.exists() or store.stat().st_size < 10_000:
        assert time.monotonic() < deadline
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    kept = [json.loads(line) for line in store.read_bytes().splitlines(keepends=True)[:-1]]
    assert 0 < len(kept) < 801
    values = {"load": [k / 1000 for k in range(100, 900)]}
    resumed = sweep(SHORT, values, replications=1, store=store, progress=False)
    assert resumed.equals(sweep(SHORT, values, replications=1, progress=False))
    assert len(store.read_bytes().splitlines()) == 1 + 800


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        ({}, {}, "at least one value"),
        ({"load": []}, {}, "at least one value"),
        (["load"], {}, r"values must give the values to try by parameter, got \['load'\]"),
        ({"consumrs": [1]}, {}, "no parameter 'consumrs'; did you mean 'consumers'"),
        ({"laod": [0.5]}, {}, "no parameter 'laod'; did you mean 'load'"),
        ({"consumers": "12"}, {}, "consumers must be a list of the values to try, got '12'"),
        ({"consumers": 5}, {}, "consumers must be a list of the values to try, got 5"),
        ({"consumers": {1, 2}}, {}, "consumers must be a list"),
        ({"load": (0.9, 0.1)}, {"points": 5}, r"load must be a range \(low, high\), got \(0.9"),
        ({"load": (0.1, 0.9)}, {"points": 0}, "points must be a whole number >= 1, got 0"),
        ({"load": (0.1, 0.9)}, {"points": (2, 1)}, r"points must be a whole .*got \(2, 1\)"),
        ({"load": [0.5]}, {"replications": 0}, "replications must be a whole number >= 1, got 0"),
        ({"load": [0.5]}, {"seed": None}, "seed must be a whole number >= 0, got None"),
        ({"load": [0.5]}, {"n_jobs": 0}, "n_jobs must be a whole number >= 1, or -1"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(values, options, said, tmp_path) -> None:
    store = tmp_path / "runs.jsonl"
    with pytest.raises((ValueError, TypeError), match=said):
        sweep(SHORT, values, progress=False, store=store, **options)
    assert not store.exists()


@pytest.mark.parametrize("scenario", [PointToPoint, None, 5, "x", {"messages": 5}])
def test_what_is_no_scenario_is_refused(scenario: object) -> None:
    with pytest.raises(TypeError, match="scenario must be one such as PointToPoint"):
        sweep(scenario, {"load": [0.5]}, progress=False)  # type: ignore[arg-type]


def test_columns_that_are_not_there_are_refused_by_name() -> None:
    table = sweep(SHORT, {"load": [0.5]}, replications=2, progress=False)
    for by, metrics in (("load", ["latency_mean"]), (["load"], ["latency"])):
        with pytest.raises(ValueError, match=r"must be lists of columns.*there are load, repl"):
            intervals(table, by, metrics)


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_a_sweep_that_is_told_to_end_takes_its_processes_with_it(tmp_path: Path) -> None:
    store = tmp_path / "runs.jsonl"
    code = (
        "from simlib.analysis import sweep; from simlib.scenarios import PointToPoint;"
        "sweep(PointToPoint(messages=3_000, get_cost=0.01),"
        "{'load': [k / 1000 for k in range(100, 900)]},"
        f"replications=9, n_jobs=2, store={str(store)!r}, progress=False)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    deadline = time.monotonic() + 60
    while not store.exists():
        assert time.monotonic() < deadline
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGTERM)
    assert child.wait(60) == 128 + signal.SIGTERM
    while _alive(child.pid):
        assert time.monotonic() < deadline, "a process of the sweep outlives it"
        time.sleep(0.05)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
