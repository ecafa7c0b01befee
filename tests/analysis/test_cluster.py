"""A sweep on a cluster: two worker processes, one of which dies halfway."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import joblib
import pytest
from distributed import Client, LocalCluster

from simlib.analysis import replicate, sweep
from simlib.scenarios import PointToPoint

SCENARIO = PointToPoint(messages=10_000)
VALUES = {"load": [k / 100 for k in range(40, 90, 5)], "consumers": [1, 2]}


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as local,
        Client(local),
    ):
        yield local


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets of the worker that is killed
def test_a_sweep_on_a_cluster_that_loses_a_worker_gives_the_same_numbers(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    serial = sweep(SCENARIO, VALUES, replications=3, progress=False)
    store = tmp_path / "runs.jsonl"
    victim = cluster.workers[0].pid
    done_when_killed: list[int] = []

    def kill_halfway() -> None:
        while not store.exists() or (done := store.read_bytes().count(b"\n")) < 5:
            time.sleep(0.01)
        done_when_killed.append(done)
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill_halfway, daemon=True)
    killer.start()
    with joblib.parallel_config(backend="dask"):
        spread = sweep(SCENARIO, VALUES, replications=3, n_jobs=-1, store=store, progress=False)
    killer.join(60)
    assert done_when_killed[0] < len(serial)
    assert spread.equals(serial)
    assert cluster.workers[0].pid != victim  # a new one has taken its place


def test_replications_on_a_cluster_are_the_same_as_at_home(cluster: LocalCluster) -> None:
    with joblib.parallel_config(backend="dask"):
        spread = replicate(SCENARIO, 6, n_jobs=-1)
    assert spread.table.equals(replicate(SCENARIO, 6).table)
