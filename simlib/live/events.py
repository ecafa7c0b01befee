"""Events through a table in PostgreSQL: stored for whoever reads, and told to whoever listens.

A publisher adds a row and notifies in one transaction (LISTEN/NOTIFY). A notification is a hint
and no message: nobody who isn't connected hears it, and the server keeps none. So a subscriber that
is woken, or comes back, reads on in the table from where it was. Nothing that isn't heard is lost,
and what is heard twice is read once::

    events(id, body)              in the order of the commits, until all have read them
    positions(subscriber, last)   up to which event a subscriber has worked

Ids come from a sequence, which counts in the order of the inserts; a reader that goes by them would
pass over an event whose transaction commits after that of a later one. So publishers take turns
from the insert to the commit.

Needs the package psycopg (``pip install simlib[live]``) and a server.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from ..queues import Full, QueueError

if TYPE_CHECKING:
    import psycopg

__all__ = ["Event", "PostgresEvents", "Subscription"]

LONGEST = 1 << 20
"""The most bytes of an event."""
AT_ONCE = 1_000
"""The most events that one look into the table gives."""
CLEARED = 1_000
"""After so many events those go that all subscribers have done."""
TURNS = 0x45564E54
"""The space of the advisory locks by which publishers take turns."""


class Event(NamedTuple):
    """An event, as its subscribers get it."""

    id: int
    """Its place in the order of the commits; there may be gaps."""
    body: bytes


class PostgresEvents:
    """A table of events in a PostgreSQL server, with as many publishers and subscribers as come.

    An event stays until all subscribers have done it. A subscriber gets what is published from when
    it first subscribed on, whether it is connected or not, and has done it when it says so.

    Parameters
    ----------
    server : str
        Where it is, as in libpq; the tables are in the first schema of its search path.
    name : str
        What the events are about: the tables and the channel are called so. Lower-case letters,
        digits and underscores, and a letter first.
    most : int
        The most events that a subscriber may be behind. While one is, ``publish`` raises Full: what
        is never read must not fill the disk.

    Raises
    ------
    ImportError
        psycopg is not installed.
    QueueError
        No server answers.
    """

    def __init__(self, server: str, name: str = "shop", *, most: int = 100_000) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
            raise ValueError(
                "name must be 1 to 40 lower-case letters, digits and underscores, a letter first, "
                f"got {name!r}"
            )
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise ValueError(f"most must be a whole number >= 1, got {most!r}")
        self.name, self.most = name, most
        self._server = server
        self._connection = _connected(server)
        self._events, self._positions = f"{name}_events", f"{name}_positions"
        with self._turn():
            for statement in (
                f"CREATE TABLE IF NOT EXISTS {self._events} "
                "(id bigserial PRIMARY KEY, body bytea NOT NULL)",
                f"CREATE TABLE IF NOT EXISTS {self._positions} "
                "(subscriber text PRIMARY KEY, last bigint NOT NULL)",
            ):
                self._connection.execute(statement)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """A transaction while no other one of a publisher is under way."""
        with self._connection.transaction():
            self._connection.execute(
                f"SELECT pg_advisory_xact_lock({TURNS}, hashtext(current_schema() || %s))",
                (self._events,),
            )
            self._connection.execute("SET LOCAL client_min_messages = warning")
            yield

    def publish(self, body: bytes) -> int:
        """Store an event, and wake whoever listens; its id.

        Raises
        ------
        queue.Full
            There are ``most`` events that some subscriber has not done.
        """
        if not isinstance(body, bytes):
            raise TypeError(f"body must be bytes, got {type(body).__name__}")
        if len(body) > LONGEST:
            raise ValueError(f"body must have at most {LONGEST:,} bytes, got {len(body):,}")
        with self._turn():
            behind = self._one(
                f"SELECT coalesce(max(id) - (SELECT min(last) FROM {self._positions}), 0) "
                f"FROM {self._events}"
            )
            if behind >= self.most:
                raise Full
            number = self._one(
                f"INSERT INTO {self._events} (body) VALUES (%s) RETURNING id", (body,)
            )
            if number % CLEARED == 0:
                self._connection.execute(
                    f"DELETE FROM {self._events} WHERE id < %s AND id <= "
                    f"coalesce((SELECT min(last) FROM {self._positions}), %s)",
                    (number, number),
                )
            # Sent with the commit, or not at all.
            self._connection.execute("SELECT pg_notify(%s, '')", (self._channel,))
        return number

    @property
    def _channel(self) -> str:
        # A channel belongs to the database, a table to a schema, and both may have long names.
        schema = self._connection.execute("SELECT current_schema()").fetchall()[0][0]
        place = f"{schema}.{self._events}".encode()
        return f"events_{hashlib.blake2b(place, digest_size=16).hexdigest()}"

    def _one(self, statement: str, values: tuple[Any, ...] = ()) -> int:
        ((value,),) = self._connection.execute(statement, values).fetchall()
        return int(value)

    def subscribe(self, subscriber: str) -> Subscription:
        """Listen as this subscriber, on a connection of its own; the first time from now on."""
        if not 1 <= len(subscriber) <= 100:
            raise ValueError(f"subscriber must have 1 to 100 characters, got {subscriber!r}")
        with self._turn():
            self._connection.execute(
                f"INSERT INTO {self._positions} VALUES "
                f"(%s, greatest(0, (SELECT max(id) FROM {self._events}), "
                f"(SELECT max(last) FROM {self._positions}))) ON CONFLICT DO NOTHING",
                (subscriber,),
            )
        return Subscription(
            _connected(self._server), self._channel, self._events, self._positions, subscriber
        )

    def unsubscribe(self, subscriber: str) -> None:
        """Forget a subscriber; events wait for it no longer."""
        self._connection.execute(
            f"DELETE FROM {self._positions} WHERE subscriber = %s", (subscriber,)
        )

    def delete(self) -> None:
        """Remove the tables, with all that is in them."""
        with self._connection.transaction():
            self._connection.execute(f"DROP TABLE IF EXISTS {self._events}, {self._positions}")

    def close(self) -> None:
        """Close the connection; the tables stay."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Subscription:
    """What one subscriber reads with. Made by :meth:`PostgresEvents.subscribe`."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        channel: str,
        events: str,
        positions: str,
        subscriber: str,
    ) -> None:
        self.subscriber = subscriber
        self.heard = 0
        """How many notifications there were."""
        self._connection = connection
        self._events, self._positions = events, positions
        # It listens before it first reads: what is published in between is heard, or read.
        connection.execute(f'LISTEN "{channel}"')

    def read(self, most: int = AT_ONCE) -> list[Event]:
        """The next events that it has not done, in order; the list is empty when there are none."""
        rows = self._connection.execute(
            f"SELECT id, body FROM {self._events} WHERE id > "
            f"(SELECT last FROM {self._positions} WHERE subscriber = %s) ORDER BY id LIMIT %s",
            (self.subscriber, min(most, AT_ONCE)),
        )
        return [Event(number, bytes(body)) for number, body in rows]

    def wait(self, timeout: float) -> list[Event]:
        """The same, but wait for the first of them, ``timeout`` seconds (>= 0) at most."""
        if not 0 <= timeout < float("inf"):
            raise ValueError(f"timeout must be >= 0 s and finite, got {timeout!r}")
        until = time.monotonic() + timeout
        while True:
            found = self.read()
            left = until - time.monotonic()
            if found or left <= 0:
                return found
            for _ in self._connection.notifies(timeout=left, stop_after=1):
                self.heard += 1

    def done(self, event: Event) -> None:
        """Everything up to this event is done: it is not read again."""
        self._connection.execute(
            f"UPDATE {self._positions} SET last = greatest(last, %s) WHERE subscriber = %s",
            (event.id, self.subscriber),
        )

    def close(self) -> None:
        """Hear nothing more; what is published meanwhile waits in the table."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _connected(server: str) -> psycopg.Connection[Any]:
    try:
        import psycopg
    except ImportError as error:
        raise ImportError("PostgreSQL needs psycopg 3: pip install 'simlib[live]'") from error
    try:
        return psycopg.connect(server, autocommit=True)
    except psycopg.OperationalError as error:
        raise QueueError(f"no PostgreSQL server answers: {str(error).strip()}") from error
