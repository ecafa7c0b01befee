"""Every queue under test. What one promises, all promise: a new kind joins by its line in KINDS."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, Protocol

import pytest

from simlib.live.measure import own_schema
from simlib.queues import MessageQueue
from simlib.queues.kinds import KINDS, open_queue

SERVER = "host=127.0.0.1 port=5432 dbname=test user=postgres connect_timeout=5"


def _batched_file(folder: Path, **options: Any) -> MessageQueue:
    batches: dict[str, Any] = {"sync": "batch", "batch_size": 3, "batch_time": 0.001}
    return open_queue("file", folder, segment_size=1 << 14, **batches, **options)


_postgres_schema: list[str] = []
"""Where the schema of this test run is, once a test has asked for it."""


def _postgres(folder: Path, **options: Any) -> MessageQueue:
    return open_queue("postgres", _postgres_schema[-1], name=str(folder), **options)


QUEUES: dict[str, Callable[..., MessageQueue]] = {
    **{kind: partial(open_queue, kind) for kind in KINDS},
    # Segments so small that a few messages fill them.
    "file": partial(open_queue, "file", segment_size=1 << 10),
    "file, sync batch": _batched_file,
    "postgres": _postgres,
}
"""How to open each sort of queue, given a folder of its own."""


class MakeQueue(Protocol):
    def __call__(
        self,
        maxsize: int = 0,
        *,
        lease: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> MessageQueue: ...


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Background:
    """A call in a thread of its own."""

    def __init__(self, call: Callable[..., Any], *args: Any, **options: Any) -> None:
        self._value: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(call, args, options), daemon=True)
        self._thread.start()

    def _run(self, call: Callable[..., Any], args: Any, options: Any) -> None:
        try:
            self._value = call(*args, **options)
        except BaseException as error:
            self._error = error

    @property
    def waiting(self) -> bool:
        return self._thread.is_alive()

    def outcome(self, patience: float = 120.0) -> Any:
        """What the call returned or raised; a failure when it waits for ever."""
        self._thread.join(patience)
        if self.waiting:
            pytest.fail(f"the call did not return in {patience:g} s", pytrace=False)
        if self._error is not None:
            raise self._error
        return self._value


@pytest.fixture(scope="session")
def postgres(missing: Callable[[str, str], NoReturn]) -> Iterator[str]:
    """Where a PostgreSQL server is, with a schema of our own, so that several test runs can share
    it. Whether it syncs its commits is no matter here."""
    psycopg = pytest.importorskip("psycopg")
    try:
        connection = psycopg.connect(SERVER, autocommit=True)
    except psycopg.OperationalError as error:
        missing(
            f"a PostgreSQL server at 127.0.0.1:5432 with a database test ({error})",
            "apt-get install postgresql, and let the user postgres in from 127.0.0.1",
        )
    with closing(connection), own_schema(connection, "simlib_test") as schema:
        options = f"-c search_path={schema} -c synchronous_commit=off"
        _postgres_schema.append(f"{SERVER} options='{options}'")
        yield _postgres_schema[-1]


@pytest.fixture(params=QUEUES)
def make_queue(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeQueue]:
    """Opens as many queues of one sort as a test needs, and closes them after it.

    They don't wait for the disk, only for other threads: what is on it when, ``test_file`` and the
    tests of faults find out.
    """
    for call in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, call, lambda handle: time.sleep(0), raising=False)
    if request.param == "postgres":
        request.getfixturevalue("postgres")
    opened: list[MessageQueue] = []

    def make(maxsize: int = 0, **options: Any) -> MessageQueue:
        folder = tmp_path / f"queue-{len(opened)}"
        folder.mkdir()
        opened.append(QUEUES[request.param](folder, maxsize=maxsize, **options))
        return opened[-1]

    yield make
    for queue in opened:
        queue.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def background() -> type[Background]:
    return Background
