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
from contextlib import closing, suppress
from functools import partial
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
        terminate(server, but=other._session._connection.info.backend_pid)  # type: ignore[union-attr]
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
        hearing = queue._session.cursor
        cursors = [Deaf(hearing())]
        monkeypatch.setattr(
            queue._session, "cursor", lambda: cursors.pop() if cursors else hearing()
        )
        assert queue.put(b"1") == 1
        assert not cursors
        assert drain(queue) == [b"1"]


class Proxy:
    """Stands between a client and a server, and can forget all connections on one side only."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._near: list[socket.socket] = []
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._near.append(near)
                self._ends += (near, far)
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)

    def forget(self) -> None:
        """The clients' connections break, and the server is told nothing."""
        for near in self._near:
            near.shutdown(socket.SHUT_RDWR)
        self._near.clear()

    def close(self) -> None:
        self.forget()
        for one in (self._listener, *self._ends):
            one.close()


def test_a_session_that_only_the_server_takes_for_alive_is_ended(
    server: Server, background: Any
) -> None:
    with closing(Proxy(server.port)) as proxy:
        dsn = server.dsn.replace(f"port={server.port}", f"port={proxy.port}")
        with PostgresQueue(dsn, "half open") as queue:
            queue.put_many([b"1", b"2"])
            held = queue.get()
            proxy.forget()
            assert background(lambda: queue.put(b"3")).outcome() == 3
            proxy.forget()
            assert background(lambda: queue.get(timeout=1.0)).outcome().body == b"2"
            queue.ack(held)
            assert queue.unacked == 1


def test_queues_in_two_schemas_of_a_database_have_nothing_to_do_with_each_other(
    server: Server, background: Any
) -> None:
    with closing(psycopg.connect(server.dsn, autocommit=True)) as connection:
        connection.execute("CREATE SCHEMA one; CREATE SCHEMA other")

    def opened(schema: str) -> PostgresQueue:
        return PostgresQueue(f"{server.dsn} options='-c search_path={schema}'", "q")

    one, other = (background(partial(opened, schema)).outcome() for schema in ("one", "other"))
    with other:
        other.put(b"2")
        one.put(b"1")
        assert one.get().body == b"1"
        one._kill()
        with opened("one") as again:
            # Its dead owner had the same number as the other schema's living one.
            assert again.get(timeout=20.0).attempts == 2
        assert drain(other) == [b"2"]


@pytest.mark.parametrize(
    ("options", "damage", "words"),
    [
        ("", "ALTER TABLE simlib_message_1 RENAME COLUMN body TO content", 'column "body"'),
        ("", "DROP TABLE simlib_message_1", "simlib_message_1"),
        ("", "DELETE FROM simlib_message_1; DELETE FROM simlib_queue_1", "not in the server any"),
        ("-c default_transaction_read_only=on", "SELECT", "read-only transaction"),
        ("-c statement_timeout=100", "BEGIN; LOCK TABLE simlib_queue_1", "statement timeout"),
    ],
)
def test_what_a_server_refuses_is_an_error_of_queues(
    server: Server, options: str, damage: str, words: str
) -> None:
    with closing(psycopg.connect(server.dsn, autocommit=True)) as connection:
        connection.execute("DROP SCHEMA IF EXISTS refusing CASCADE; CREATE SCHEMA refusing")
        connection.execute("SET search_path = refusing")
        path = f"{server.dsn} options='-c search_path=refusing"
        PostgresQueue(f"{path}'", "q").close()

        def use() -> None:
            with PostgresQueue(f"{path} {options}'", "q") as queue:
                connection.execute(damage)
                queue.put(b"1")

        with pytest.raises(QueueError, match=words):
            use()


def test_writers_are_put_in_order_whatever_isolation_is_usual(
    server: Server, background: Any
) -> None:
    dsn = f"{server.dsn} options='-c default_transaction_isolation=serializable'"
    with PostgresQueue(dsn, "serializable") as one, PostgresQueue(dsn, "serializable") as other:

        def put(queue: PostgresQueue) -> None:
            for _ in range(size(20, 500)):
                queue.put(b"")

        for each in [background(partial(put, queue)) for queue in (one, other)]:
            each.outcome()
        assert len(drain(one)) == 2 * size(20, 500)


@pytest.mark.parametrize("dsn", [None, 5, "host=127.0.0.1 nonsense=1", "no equals sign"])
def test_a_dsn_that_is_none_is_refused(dsn: Any) -> None:
    with pytest.raises(ValueError, match="dsn must be"):
        PostgresQueue(dsn, "q")


def test_as_many_messages_as_there_are_may_be_asked_for(server: Server) -> None:
    with PostgresQueue(server.dsn, "many") as queue:
        queue.put(b"1")
        assert len(queue.get_many(10**20)) == 1


def test_an_interrupt_leaves_the_session_idle_or_has_it_made_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is let in after each call that is made on a cursor, in turn."""
    calls: list[Callable[[PostgresQueue, Any], Any]] = [
        lambda queue, held: queue.put(b"new"),
        lambda queue, held: queue.get(),
        lambda queue, held: queue.ack(held),
        lambda queue, held: queue.nack(held),
    ]
    usual = psycopg.Cursor.execute
    left = 0

    def execute(cursor: Any, *args: Any, **options: Any) -> Any:
        nonlocal left
        result = usual(cursor, *args, **options)
        left -= 1
        if not left:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(psycopg.Cursor, "execute", execute)
    with (
        PostgresQueue(server.dsn, "interrupted") as queue,
        PostgresQueue(server.dsn, "interrupted") as other,
    ):
        for call in calls:
            for place in range(1, 7):
                queue.put_many([b"1", b"2"])
                held = queue.get()
                left = place
                with suppress(KeyboardInterrupt):
                    call(queue, held)
                left = 0
                assert other.put(b"3") == queue.put(b"4") - 1
                queue.ack_many(queue.get_many(99))
                assert queue.qsize() == 0
                assert queue.ids() == other.ids()


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
