"""A PostgreSQL queue whose sessions end and whose server goes down."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import pytest
from size import size

from simlib.queues import Empty, LeaseLostError, PostgresQueue, QueueError

psycopg = pytest.importorskip("psycopg")


class Server:
    """A server of this test's own."""

    def __init__(self, programs: Path, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.dsn = f"host=127.0.0.1 port={self.port} dbname=postgres user=postgres"
        self._programs = programs
        self._data = folder / "data"
        self._log = folder / "log"
        user = "postgres" if os.geteuid() == 0 else None
        if user:
            # The server refuses to run as root, and its user must get as far as its folder.
            shutil.chown(folder, user)
        self._user = user
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "-D", self._data)

    def _run(self, program: str, *args: Any) -> None:
        command = [str(self._programs / program), *map(str, args)]
        subprocess.run(
            command, check=True, user=self._user, stdout=subprocess.DEVNULL, cwd="/", timeout=60
        )

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        self._run("pg_ctl", "-w", "-D", self._data, "-l", self._log, "-o", options, "start")

    def stop(self, mode: str) -> None:
        self._run("pg_ctl", "-w", "-D", self._data, "-m", mode, "stop")


@pytest.fixture(scope="module")
def server(missing: Callable[[str, str], NoReturn]) -> Iterator[Server]:
    remedy = "apt-get install postgresql"
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = [*(Path(p) for p in [shutil.which("initdb")] if p), *installed[-1:]]
    if not found:
        missing("PostgreSQL's initdb", remedy)
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            missing("a user postgres", remedy)
    # Not among pytest's folders, which every session closes to other users when it starts.
    with TemporaryDirectory(prefix="simlib-server-") as folder:
        server = Server(found[0].parent, Path(folder))
        server.start()
        yield server
        server.stop("immediate")


def terminate(server: Server, *, but: int = 0) -> None:
    """End all sessions of others."""
    with closing(psycopg.connect(server.dsn, autocommit=True)) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND pid <> %s AND backend_type = 'client backend'",
            (but,),
        )


def drain(queue: PostgresQueue) -> list[bytes]:
    messages = queue.get_many(10_000)
    queue.ack_many(messages)
    return [message.body for message in messages]


def test_what_a_dead_session_held_comes_back(server: Server) -> None:
    with PostgresQueue(server.dsn, "dead session") as queue:
        other = PostgresQueue(server.dsn, "dead session")
        queue.put_many([b"1", b"2"])
        held = other.get()
        mine = queue.get()
        with pytest.raises(Empty):
            queue.get(block=False)
        other._kill()
        again = queue.get(timeout=20.0)
        assert (again.body, again.attempts) == (held.body, 2)
        queue.ack_many([again, mine])
        assert queue.ids() == set()


def test_a_lost_connection_is_made_again_and_keeps_what_it_holds(server: Server) -> None:
    with PostgresQueue(server.dsn, "lost connection") as queue:
        queue.put_many([b"1", b"2"])
        held = queue.get()
        terminate(server)
        assert queue.put(b"3") == 3
        assert queue.unacked == 1
        queue.ack(held)
        assert drain(queue) == [b"2", b"3"]


def test_a_delivery_that_went_to_another_while_the_connection_was_lost_is_lost(
    server: Server,
) -> None:
    one, other = (PostgresQueue(server.dsn, "passed on") for _ in range(2))
    with one, other:
        one.put(b"1")
        held = one.get()
        terminate(server, but=other._connection.info.backend_pid)  # type: ignore[union-attr]
        assert other.get(timeout=20.0).attempts == 2
        with pytest.raises(LeaseLostError, match=r"attempt 1 .*attempt 2"):
            one.ack(held)


def test_a_waiting_get_survives_the_end_of_its_sessions(server: Server, background: Any) -> None:
    with PostgresQueue(server.dsn, "waiting") as queue:
        getter = background(queue.get)
        with PostgresQueue(server.dsn, "waiting") as other:
            terminate(server)
            other.put(b"at last")
            assert getter.outcome().body == b"at last"


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_nothing_is_lost_or_doubled_when_the_server_restarts(server: Server, mode: str) -> None:
    with PostgresQueue(server.dsn, f"restart {mode}") as queue:
        put: list[bytes] = []
        done = threading.Event()

        def produce() -> None:
            while not done.is_set():
                body = b"%d" % len(put)
                queue.put(body)
                put.append(body)

        producer = threading.Thread(target=produce)
        producer.start()
        try:
            for _ in range(size(1, 20)):
                count = len(put)
                while len(put) < count + 20:
                    done.wait(0.01)
                server.stop(mode)
                server.start()
        finally:
            done.set()
            producer.join()
        assert Counter(drain(queue)) == Counter(put)


class Deaf:
    """A cursor that commits and does not hear the answer."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, query: str, *values: Any) -> Any:
        result = self._cursor.execute(query, *values)
        if query == "COMMIT":
            self._cursor.connection.close()
            raise psycopg.OperationalError("the connection is lost")
        return result


def test_a_commit_whose_answer_is_lost_is_looked_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PostgresQueue(server.dsn, "lost answer") as queue:
        hearing = queue._cursor
        cursors = [Deaf(hearing())]
        monkeypatch.setattr(queue, "_cursor", lambda: cursors.pop() if cursors else hearing())
        assert queue.put(b"1") == 1
        assert not cursors
        assert drain(queue) == [b"1"]


def test_a_server_that_is_not_there_is_an_error_that_says_so(server: Server) -> None:
    with pytest.raises(QueueError, match="no connection to the server"):
        PostgresQueue("host=127.0.0.1 port=1 dbname=test", "none")


@pytest.mark.parametrize("name", ["", "a\0b", "é" * 251, 5, None])
def test_a_name_that_is_no_text_is_refused(name: Any) -> None:
    with pytest.raises(ValueError, match="name must be text"):
        PostgresQueue("", name)


@pytest.mark.parametrize("name", ["'; DROP TABLE simlib_message_1; --", "é" * 250, "%s", '"'])
def test_any_name_is_only_a_name(server: Server, name: str, background: Any) -> None:
    with PostgresQueue(server.dsn, name) as queue:
        getter = background(queue.get)
        with PostgresQueue(server.dsn, name) as other:
            other.put(b"1")
            assert getter.outcome().body == b"1"
        assert queue.unacked == 1
