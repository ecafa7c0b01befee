"""Sweeps: every point, the same seeds, and nothing done twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simlib import Erlang, Exponential
from simlib.analysis import interval, intervals, sweep
from simlib.scenarios import PointToPoint

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
    assert "load must be a number > 0, got -1" in table["error"][2]
    assert table["latency_mean"].isna().tolist() == [False, False, True, True, False, False]


def test_what_is_stored_is_not_run_again(tmp_path: Path) -> None:
    store = tmp_path / "runs.jsonl"
    first = sweep(SHORT, GRID, replications=2, store=store, progress=False)
    lines = store.read_text().splitlines()
    assert len(lines) == len(first)
    assert sweep(SHORT, GRID, replications=2, store=store, progress=False).equals(first)
    assert store.read_text().splitlines() == lines
    sweep(SHORT, GRID, replications=3, store=store, progress=False)
    assert len(store.read_text().splitlines()) == len(first) + 6


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
    store.write_text('{"run": "x", "summary": {}}\nhello\n')
    with pytest.raises(ValueError, match=r"notes.txt, line 2 is no run of a sweep"):
        sweep(SHORT, GRID, store=store, progress=False)
    assert store.read_text().endswith("hello\n")


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
    assert 0 < len(kept) < 800
    values = {"load": [k / 1000 for k in range(100, 900)]}
    resumed = sweep(SHORT, values, replications=1, store=store, progress=False)
    assert resumed.equals(sweep(SHORT, values, replications=1, progress=False))
    assert len(store.read_bytes().splitlines()) == 800


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        ({}, {}, "at least one value"),
        ({"load": []}, {}, "at least one value"),
        ({"load": (0.1, 0.9)}, {"points": 0}, "points must be a whole number >= 1, got 0"),
        ({"load": [0.5]}, {"replications": 0}, "replications must be a whole number >= 1, got 0"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(values, options, said) -> None:
    with pytest.raises(ValueError, match=said):
        sweep(SHORT, values, progress=False, **options)
