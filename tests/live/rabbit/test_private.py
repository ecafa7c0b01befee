"""A server of one's own is restarted, killed and starved: what is confirmed stays."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import pytest
from size import size

from simlib.live.rabbit import (
    Consumer,
    Fate,
    Link,
    Publisher,
    Received,
    WindowPublisher,
    WorkQueue,
    tutorial,
)
from simlib.live.rabbit.connection import close
from simlib.live.rabbit.private import PrivateBroker, programs
from simlib.live.rabbit.scratch import taken

from .conftest import STUBBORN, until

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="signals end the server"),
    # pika leaves its sockets open when a server is gone as soon as it has accepted.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def broker(missing: Callable[[str, str], NoReturn]) -> Iterator[PrivateBroker]:
    try:
        programs()
    except FileNotFoundError as error:
        missing("A RabbitMQ to be started", str(error))
    with PrivateBroker() as made:
        yield made


class Stream(threading.Thread):
    """Publishes with confirms until it is told to stop, and knows what was confirmed."""

    def __init__(self, broker: PrivateBroker, queue: WorkQueue, unconfirmed: int | None) -> None:
        super().__init__(daemon=True)
        self.link = Link(url=broker.url, retry=STUBBORN)
        self.queue, self.unconfirmed = queue, unconfirmed
        self.published: list[str] = []
        self.confirmed = 0
        self.unknown = 0
        self.enough = threading.Event()
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._stream()
        except BaseException as error:
            self.error = error

    def _stream(self) -> None:
        with (
            Publisher(self.queue, self.link)
            if self.unconfirmed is None
            else WindowPublisher(self.queue, self.unconfirmed, self.link)
        ) as publisher:
            while not self.enough.is_set():
                self.published.append(publisher.publish(b""))
                self.confirmed = publisher.fates[Fate.CONFIRMED]
                if self.unconfirmed is None:
                    time.sleep(0.002)
        self.confirmed = publisher.fates[Fate.CONFIRMED]
        self.unknown = publisher.fates[Fate.UNKNOWN]

    def finish(self) -> None:
        """Stop, and expect all to be confirmed."""
        self.enough.set()
        self.join(120)
        assert self.error is None
        assert not self.is_alive()
        assert self.confirmed == len(self.published)


def ids(broker: PrivateBroker, queue: str) -> list[str]:
    """The ids of all that waits, taken out."""
    connection = Link(url=broker.url).connect()
    channel, found = connection.channel(), []
    while True:
        method, properties, _ = channel.basic_get(queue, auto_ack=True)
        if method is None:
            close(connection)
            return found
        found.append(properties.message_id)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_is_confirmed_survives(broker: PrivateBroker, end: str) -> None:
    """A stream of each kind goes on across the restart; the tutorial's messages don't."""
    tutorials = tutorial.open_channel(Link(url=broker.url).parameters, f"tutorial {end}")
    for _ in range(50):
        tutorial.send(tutorials, f"tutorial {end}", b"transient")
    streams = {
        window: Stream(broker, WorkQueue(f"{end} {window}"), window) for window in (None, 50)
    }
    for _ in range(size(1, 10)):
        before = {window: stream.confirmed for window, stream in streams.items()}
        until(
            lambda: all(streams[w].confirmed > before[w] + 50 for w in streams),  # noqa: B023
            "both streams flow",
        )
        getattr(broker, end)()
        broker.start()
    for stream in streams.values():
        stream.finish()
        found = ids(broker, stream.queue.name)
        assert set(stream.published) == set(found)
        assert len(found) - len(set(found)) <= stream.unknown
    assert any(stream.unknown for stream in streams.values())
    close(tutorials.connection)
    assert ids(broker, f"tutorial {end}") == []


def test_a_server_without_memory_holds_up_whoever_publishes(broker: PrivateBroker) -> None:
    hurried = Link(url=broker.url, retry=STUBBORN, blocked_timeout=0.3)
    with (
        Publisher(WorkQueue("starved"), hurried) as one,
        WindowPublisher(WorkQueue("starved"), 5, hurried) as many,
    ):
        one.publish(b"1")
        many.publish(b"2")
        many.flush(60)
        broker.starve()
        many.publish(b"3")

        def feed() -> None:
            until(
                lambda: min(each.fates[Fate.UNKNOWN] for each in (one, many)) >= 2,
                "both are held up twice",
            )
            broker.starve(False)

        fed = threading.Thread(target=feed)
        fed.start()
        one.publish(b"4")
        many.flush(60)
        fed.join(60)
        assert one.fates[Fate.CONFIRMED] == many.fates[Fate.CONFIRMED] == 2
    connection = Link(url=broker.url).connect()
    assert set(taken(connection.channel(), "starved")) == {b"1", b"2", b"3", b"4"}
    close(connection)


def test_heartbeats_go_on_beside_long_work(broker: PrivateBroker) -> None:
    """And a publisher that was idle for longer than the server bears opens another connection."""
    link, queue = Link(url=broker.url, heartbeat=1, retry=STUBBORN), WorkQueue("long")
    done: list[str] = []

    def work(message: Received) -> None:
        time.sleep(4)
        done.append(message.message_id)
        consumer.stop()

    with Publisher(queue, link) as idle:
        name = idle.publish(b"")
        with Consumer(queue, link=link) as consumer:
            consumer.run(work)
        assert consumer.connections == 1
        assert ids(broker, "long") == []  # It was acked.
        again = idle.publish(b"")
        assert idle.connections == 2
    assert done == [name]
    assert set(ids(broker, "long")) == {again}


# What is left behind

CHILD = """
import sys
from simlib.live.rabbit.private import PrivateBroker

class Told(PrivateBroker):
    def start(self):
        print(self.folder, self.url, flush=True)
        super().start()

with Told():
    sys.stdin.read()
"""


def processes_of(folder: str) -> list[str]:
    """Commands that mention a folder, with that of their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            said = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if folder.encode() in said:
            found.append(said[:80].decode(errors="replace"))
    return found


def listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(url).port or 0)) == 0


def test_nothing_is_left_of_a_server_whose_program_is_killed(broker: PrivateBroker) -> None:
    if not Path("/proc/self/environ").exists():
        pytest.skip("processes are looked for in /proc")
    assert processes_of(str(broker.folder))  # They are found, where there are any.
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    folder, url = child.stdout.readline().split()
    until(lambda: listens(url) or (Path(folder) / "pid").exists(), "it is about to start")
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=60)
    until(lambda: not Path(folder).exists(), "its folder is gone")
    until(lambda: not processes_of(folder), "its processes are gone")
    assert not listens(url)


def test_nothing_is_left_of_a_server_that_cannot_start(
    broker: PrivateBroker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with monkeypatch.context() as without:
        without.setattr(sys, "executable", str(tmp_path / "no-python"))
        with pytest.raises(OSError, match="no-python"):
            PrivateBroker()
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("simlib.live.rabbit.private.programs", lambda: tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        PrivateBroker()
    assert not list(tmp_path.iterdir())
    assert not processes_of(str(tmp_path))


def test_nothing_is_left_of_a_server_that_is_closed(broker: PrivateBroker) -> None:
    """Last in the module, for the server is closed here."""
    folder = broker.folder
    broker.close()
    assert not folder.exists()
    assert not processes_of(str(folder))
    assert not listens(broker.url)
    broker.close()  # Once more is no error.


EXPERIMENT = """
import sys
from simlib.live.rabbit import Link, Publisher, scratch
scratch.EXPIRES = 0.3
with scratch.scratch(sys.argv[1]) as (channel, queue):
    with Publisher(queue, Link(url=sys.argv[1])) as publisher:
        publisher.publish(b"")
    print(queue.name, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("killed", [False, True])
def test_no_queue_is_left_of_an_experiment(url: str, killed: bool) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", EXPERIMENT, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    name = child.stdout.readline().strip()
    assert name
    assert not gone(url, name)
    if killed:
        child.send_signal(signal.SIGKILL)
    child.communicate(timeout=60)  # Ends its input, and so the experiment.
    for queue in (name, f"{name}.dead"):
        until(lambda: time.sleep(0.6) or gone(url, queue), "the queue is gone")  # noqa: B023


def gone(url: str, queue: str) -> bool:
    """Whether there is no such queue. Who asks for it uses it: ask seldom."""
    import pika

    connection = Link(url=url).connect()
    try:
        connection.channel().queue_declare(queue, passive=True)
    except pika.exceptions.ChannelClosedByBroker as error:
        return bool(error.reply_code == 404)
    finally:
        close(connection)
    return False
