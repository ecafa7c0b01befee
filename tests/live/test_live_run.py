"""Runs on the real thing: every message accounted for, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simlib.live.child
from simlib import Exponential, Outage
from simlib.live import LiveError, LiveRun
from simlib.live.crew import PREFIX, Crew, crew
from simlib.live.live_run import Driver
from simlib.live.target import Target
from simlib.live.targets import Broker, Http, Postgres, Queue
from simlib.processes import Environment
from simlib.scenarios import FromParts, PointToPoint, SyncVsAsync

SHOP = PointToPoint(
    interarrival=Exponential(mean=0.002), service=0.0005, messages=60, warmup=6, consumers=2
)
SOON = 60.0

TARGETS: dict[str, Target] = {
    "memory": Queue(),
    "file": Queue(kind="file", sync="batch"),
    "sqlite": Queue(kind="sqlite", sync="never"),
    "sqlite, computing": Queue(kind="sqlite", sync="never", computes=True),
    "sqlite, processes": Queue(kind="sqlite", sync="never", apart=True),
    "postgres": Postgres(),
    "rabbitmq": Broker(prefetch=3),
    "rest": Http(),
    "graphql": Http(style="graphql"),
}


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Target:
    name = request.param
    if name == "postgres":
        request.getfixturevalue("database")
    elif name == "rabbitmq":
        request.getfixturevalue("rabbitmq")
    elif name in ("rest", "graphql"):
        pytest.importorskip("flask")
    return TARGETS[name]


each_target = pytest.mark.parametrize("target", TARGETS, indirect=True)


@each_target
def test_each_message_is_sent_when_due_and_done_once_with_its_own_work(
    target: Target, tmp_path: Path
) -> None:
    result = LiveRun(SHOP, target, where=tmp_path).run(seed=3)
    drawn = SHOP.run(seed=3)
    rows = result.messages
    np.testing.assert_array_equal(rows["created"], drawn.messages["created"])
    assert dict(result.ledger) == {**dict.fromkeys(dict(result.ledger), 0), "published": 60} | {
        "acked": 60
    }
    assert (rows["sent"] >= rows["created"]).all()
    assert (rows["enqueued"] <= rows["started"]).all()
    assert (rows["started"] <= rows["finished"]).all()
    assert (rows["outcome"] == "acked").all()
    assert (rows["attempts"] == 1).all()
    assert len(result.attempts) == 60
    assert result.attempts["by"].tolist() == rows["consumer"].tolist()
    assert (rows["finished"] - rows["started"] >= 0.9 * 0.0005).all()  # by another clock
    assert len(result.series) > 60
    assert result.summary()["completed"] == 60
    assert len(result.spans()) >= 180
    if not target.calls:
        assert (rows["finished"] <= rows["acked"]).all()
        assert set(rows["consumer"]) <= {0, 1}
    assert list(tmp_path.iterdir()) == []


def test_works_are_those_that_a_simulation_draws(tmp_path: Path) -> None:
    shop = SHOP.replace(service=Exponential(mean=0.004), messages=30, consumers=1)
    rows = LiveRun(shop, Queue(), where=tmp_path).run(seed=5).messages
    drawn = shop.run(seed=5).messages
    slept = (rows["finished"] - rows["started"]).to_numpy()
    assert (slept >= (drawn["finished"] - drawn["started"]).to_numpy()).all()
    # One consumer takes them in their order, and finishes one before it takes the next.
    assert (rows["started"].to_numpy()[1:] >= rows["acked"].to_numpy()[:-1]).all()


def test_a_batch_is_taken_together_and_worked_on_once(tmp_path: Path) -> None:
    shop = PointToPoint(interarrival=0.0, service=0.02, messages=25, batch_size=10)
    result = LiveRun(shop, Queue(kind="sqlite", sync="never"), where=tmp_path).run()
    pieces = result.messages.groupby("batch")["started"]
    assert result.ledger.acked == 25
    assert (pieces.nunique() == 1).all()
    assert 3 <= pieces.ngroups <= 25
    assert pieces.size().max() > 1


def test_a_message_without_room_is_dropped(tmp_path: Path) -> None:
    shop = PointToPoint(interarrival=0.0, service=0.1, messages=8, capacity=2)
    result = LiveRun(shop, Queue(), where=tmp_path).run()
    assert result.ledger.dropped >= 1
    assert result.ledger.acked + result.ledger.dropped == 8
    assert (result.messages["outcome"] == "dropped").sum() == result.ledger.dropped


def test_a_run_ends_when_its_time_is_up_and_says_what_is_left(tmp_path: Path) -> None:
    slow = PointToPoint(interarrival=0.0, service=0.4, messages=9)
    cut = LiveRun(slow, Queue(), most=1.0, where=tmp_path).run()
    assert cut.cut_off
    assert cut.ledger.unfinished >= 6
    assert cut.ledger.acked + cut.ledger.unfinished == 9
    assert cut.doubts()[0] == "the run was cut off, for its time was up"
    assert cut.duration <= 1.0
    asked = LiveRun(slow.replace(duration=1.0), Queue(), where=tmp_path).run()
    assert not asked.cut_off
    assert asked.ledger.unfinished >= 6


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"late_p50": 0.002}, r"own lateness, 2 ms at p50, is more than 5% of the 10 ms measured"),
        ({"late_p95": 0.004}, r"own lateness, 4 ms at p95, is more than 25% of the 10 ms"),
        ({"achieved": 0.9}, r"it sent at 90% of the rate asked for"),
        ({"processor": 0.7}, r"it took 70% of a processor"),
        ({"fastest": 150.0}, r"sends 150/s, less than twice the 100/s asked for"),
    ],
)
def test_a_driver_that_was_the_limit_says_so(changes: dict[str, float], words: str) -> None:
    good: dict[str, Any] = {"late_p50": 1e-4, "late_p95": 1e-3, "achieved": 1.0}
    good |= {"processor": 0.1, "fastest": 1e6, "asked": 100.0}
    latency = np.full(50, 0.01)
    assert Driver(**good).limits(latency) == []
    (said,) = Driver(**{**good, **changes}).limits(latency)
    assert said.startswith("the driver was the limit: ")
    assert re.search(words, said)


def test_too_few_callers_make_the_loop_closed_and_the_run_doubtful(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("flask")
    monkeypatch.setattr("simlib.live.live_run.SENDERS", 1)
    shop = PointToPoint(interarrival=0.01, service=0.03, messages=20, consumers=4)
    result = LiveRun(shop, Http(), where=tmp_path).run()
    assert result.ledger.acked == 20
    assert result.limited
    assert any("it sent at" in doubt for doubt in result.doubts())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LiveRun(SHOP.replace(polling=0.1), Queue()), "has no polling, and it is"),
        (lambda: LiveRun(SHOP.replace(priorities=(0.5, 0.5)), Queue()), "has no priorities"),
        (
            lambda: LiveRun(
                SHOP.replace(outages=(Outage(of="broker", start=1, duration=1),)), Queue()
            ),
            "has no outages",
        ),
        (lambda: LiveRun(SHOP.replace(batch_size=2), Http()), "through rest has no batch_size"),
        (lambda: LiveRun(SHOP.replace(capacity=0), Queue()), "has no capacity=0"),
        (
            lambda: LiveRun(SHOP.replace(queue="file"), Queue()),
            "queue is 'file', and the target is",
        ),
        (lambda: LiveRun(SHOP, Queue(kind="tape")), "kind must be one of"),
        (lambda: LiveRun(SHOP, Queue(kind="file", apart=True)), "one process owns a queue of kind"),
        (lambda: LiveRun(SHOP, Queue(computes=True)), "no computes; take kind 'sqlite'"),
        (lambda: LiveRun(SHOP, Broker(prefetch=0)), "prefetch must be from 1"),
        (lambda: LiveRun(SHOP, Http(style="soap")), "style must be one of"),
        (lambda: LiveRun(SHOP, Queue(), most=0), "most must be > 0 s and <= 600 s, got 0"),
        (
            lambda: LiveRun(SHOP, Broker(url="amqp://a.example/")),
            "is on a.example, and not on this",
        ),
        (
            lambda: LiveRun(SHOP, Postgres(server="host=10.0.0.1")),
            "is on 10.0.0.1, and not on this",
        ),
        (lambda: LiveRun(SHOP, Queue(), most=0.01).run(), "most is 0.01 s: take fewer messages"),
        (
            lambda: LiveRun(SHOP.replace(messages=200_000, interarrival=1e-5), Queue()).run(),
            "a live run has 1 to 100,000 messages, got 200,000",
        ),
    ],
)
def test_what_can_not_be_run_is_refused_before_anything_starts(
    make: Callable[[], object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Crew, "start", lambda *_: pytest.fail("something was started"))
    with pytest.raises(ValueError, match=words):
        make()


def test_a_scenario_without_consumers_is_none_for_a_live_run() -> None:
    with pytest.raises(TypeError, match="such as PointToPoint, got SyncVsAsync"):
        LiveRun(SyncVsAsync(messages=10), Queue())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="target must be one of"):
        LiveRun(SHOP, "memory")  # type: ignore[arg-type]


def test_the_machine_of_a_model_does_not_count(tmp_path: Path) -> None:
    model = FromParts(interarrival=0.001, service=0.0005, put_cost=9.0, one_lock=True, messages=20)
    result = LiveRun(model, Queue(), where=tmp_path).run()
    assert result.ledger.acked == 20
    assert result.duration < 9


def test_where_no_server_answers_it_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    pytest.importorskip("pika")
    nobody = Broker(url="amqp://guest:guest@127.0.0.1:1/%2F")
    with pytest.raises(ConnectionError, match=r"no RabbitMQ answers at 127\.0\.0\.1:1"):
        LiveRun(SHOP, nobody, where=tmp_path).run()
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_fails_ends_the_run_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Queue.made

    def broken(self: Queue, directory: Path, maxsize: int) -> Any:
        (directory / "queue.db").write_bytes(b"no database" * 100)
        return made(self, directory, maxsize)

    monkeypatch.setattr(Queue, "made", broken)
    with pytest.raises(
        LiveError, match=r"sqlite, the process that sends and receives: .*queue\.db"
    ):
        LiveRun(SHOP, Queue(kind="sqlite"), where=tmp_path).run()
    assert list(tmp_path.iterdir()) == []


# Killed in between

RUNS = """
import sys
from pathlib import Path
from simlib.live import LiveRun
from simlib.live import targets
from simlib.scenarios import PointToPoint
kind, fields = sys.argv[2].split("?")
target = getattr(targets, kind)(**eval(fields))
shop = PointToPoint(interarrival=0.02, service=0.001, messages=2000)
LiveRun(shop, target, where=Path(sys.argv[1])).run()
"""


def until(reached: Callable[[], Any]) -> Any:
    """Poll for something that comes to pass soon."""
    end = time.monotonic() + SOON
    while not (found := reached()):
        if time.monotonic() > end:
            pytest.fail("it did not come to pass", pytrace=False)
        time.sleep(0.02)
    return found


def begun(place: Path) -> list[int]:
    """The processes of the run in that place, once messages are under way; else none."""
    for directory in place.glob(f"{PREFIX}*"):
        ready = list(directory.glob("ready-[0-9]"))
        logs = [each for each in directory.glob("log-*") if each.stat().st_size > 48 * 60]
        if ready and logs:
            return [json.loads(each.read_text())["process"] for each in ready]
    return []


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def outside(target: Target, place: Path) -> str:
    """What the run in that place has made in a server: a schema, a queue; empty: nothing."""
    (plan,) = place.glob("*/plan.json")
    where = str(json.loads(plan.read_text())["where"])
    if isinstance(target, Postgres):
        return where.rpartition("search_path=")[2].rstrip("'")
    return where if isinstance(target, Broker) else ""


def is_there(target: Target, name: str) -> bool:
    """Whether the server has that schema or queue."""
    if isinstance(target, Postgres):
        import psycopg

        with psycopg.connect(target.server) as connection:
            asked = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (name,))
            return asked.fetchall() != []
    if isinstance(target, Broker):
        import pika

        connection = pika.BlockingConnection(pika.URLParameters(target.url))
        try:
            connection.channel().queue_declare(name, passive=True)
        except pika.exceptions.ChannelClosedByBroker:
            return False
        else:
            return True
        finally:
            connection.close()
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send")
@pytest.mark.parametrize(
    ("target", "how"),
    [
        ("postgres", signal.SIGKILL),
        ("rabbitmq", signal.SIGINT),
        ("rabbitmq", signal.SIGKILL),
        ("rest", signal.SIGTERM),
    ],
    indirect=["target"],
)
def test_a_run_that_is_killed_leaves_nothing_or_leaves_it_to_the_next(
    target: Target, how: signal.Signals, tmp_path: Path
) -> None:
    kind = f"{type(target).__name__}?{vars(target)!r}"
    run = subprocess.Popen(
        [sys.executable, "-c", RUNS, str(tmp_path), kind],
        env={**os.environ, "PYTHONPATH": str(Path(simlib.live.child.__file__).parents[2])},
        stderr=subprocess.DEVNULL,
    )
    try:
        processes = until(lambda: begun(tmp_path))
        name = outside(target, tmp_path)
        assert is_there(target, name) == bool(name)
        run.send_signal(how)
        assert run.wait(SOON) != 0
    finally:
        run.kill()
        run.wait()
    # Whoever it has started ends, even if it could not tell them to; and with a server, its port.
    until(lambda: not any(map(alive, processes)))
    if how == signal.SIGKILL:
        assert list(tmp_path.iterdir())
        LiveRun(SHOP.replace(messages=10), target, where=tmp_path).run()
    assert list(tmp_path.iterdir()) == []
    assert not is_there(target, name)


def test_ctrl_c_in_the_midst_of_it_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with crew(Queue(), tmp_path) as team:
            team.plan(np.zeros(1), np.zeros(1), where=str(team.directory), maxsize=0, senders=1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_arrivals_are_drawn_from_the_producers_stream() -> None:
    due = SHOP.arrivals(Environment(3))
    np.testing.assert_array_equal(due, SHOP.run(3).messages["created"])
