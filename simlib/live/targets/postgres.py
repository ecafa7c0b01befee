"""A queue in a PostgreSQL server as a target, in a schema of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...queues import MessageQueue, QueueError
from ...queues.postgres import PostgresQueue
from ..queue_ends import QueueReceiver, sending
from ..target import Receiver, Sender, Target

__all__ = ["SERVER", "Postgres"]

SERVER = "host=127.0.0.1 port=5432 dbname=test user=postgres connect_timeout=5"


@dataclass(frozen=True, kw_only=True)
class Postgres(Target):
    """A queue in a PostgreSQL server.

    Parameters
    ----------
    server : str
        Where it is, as in libpq.
    apart : bool
        Whether each consumer is a process of its own; else they are threads of one.
    """

    server: str = SERVER
    apart: bool = False

    @property
    def name(self) -> str:
        return "postgres" + (", processes" if self.apart else "")

    @property
    def host(self) -> str:
        known = _psycopg().conninfo.conninfo_to_dict(self.server)
        named = known.get("hostaddr") or os.environ.get("PGHOSTADDR") or known.get("host")
        return str(named or os.environ.get("PGHOST") or "localhost")

    @property
    def processes(self) -> bool:
        return self.apart

    @contextmanager
    def made(self, directory: Path, maxsize: int) -> Iterator[str]:
        from ..measure import own_schema

        psycopg = _psycopg()
        try:
            connection = psycopg.connect(self.server, autocommit=True)
        except psycopg.OperationalError as error:
            raise QueueError(f"no PostgreSQL server answers: {str(error).strip()}") from error
        with closing(connection), own_schema(connection, "simlib_live") as schema:
            yield f"{self.server} options='-c search_path={schema}'"

    @contextmanager
    def opened(self, where: str, maxsize: int) -> Iterator[MessageQueue]:
        with PostgresQueue(where, "live", maxsize=maxsize) as queue:
            yield queue

    @contextmanager
    def sender(self, shared: MessageQueue) -> Iterator[Sender]:
        yield sending(shared)

    @contextmanager
    def receiver(self, shared: MessageQueue) -> Iterator[Receiver]:
        yield QueueReceiver(shared)


def _psycopg() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise ImportError("PostgreSQL needs psycopg 3: pip install 'simlib[live]'") from error
    return psycopg
