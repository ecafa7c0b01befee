"""Opening and closing an SQLite queue that others may have open, too, or died with."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from ..message import Sync
from . import schema as sql
from . import transactions
from .check import compare_with_marks, corrupt, look_through
from .database import Database, beside
from .durability import Durability, reserve
from .owners import DeadOwner, Owner, anybody_else, opening, others
from .schema import PAGE
from .wal import WriteAheadLog, read_wal

__all__ = ["Handle"]

_FIRST = 8 * PAGE  # More bytes than the log of a new queue has.


class Handle:
    """A queue's database, opened as one owner among others.

    Parameters
    ----------
    path : Path
        The file.
    sync, sync_acks, batch_size
        As for :class:`SQLiteQueue`.
    """

    database: Database
    owner: Owner
    durability: Durability

    def __init__(self, path: Path, sync: Sync, sync_acks: bool, batch_size: int) -> None:
        self._path = path
        self._sync = sync
        with opening(path):
            alive, dead = others(path)
            try:
                for owner in dead:
                    owner.give_reserve()
                log = None if alive else read_wal(beside(path, "-wal"))
                _check_there(path, alive, log)
                self.database = Database(path)
                self._open(alive, dead, log, sync_acks, batch_size)
            except BaseException:
                for owner in dead:
                    owner.close()
                raise
            for owner in dead:
                owner.remove()

    def _open(
        self,
        alive: int,
        dead: list[DeadOwner],
        log: WriteAheadLog | None,
        sync_acks: bool,
        batch_size: int,
    ) -> None:
        database = self.database
        try:
            # Puts come after the transaction that makes a queue, which is synced.
            used = alive or any(owner.marks.put for owner in dead)
            if log is not None:
                used = used or log.transactions > 1 or log.size > _FIRST
            database.connect(new=not used)
            if not alive:
                database.work(database.strict, self._take_over, log, dead)
            self.owner = Owner(self._path, reserve(self._sync))
            self.durability = Durability(database, self.owner, self._sync, sync_acks, batch_size)
            for owner in dead:
                self.give_back(owner.number)
        except sqlite3.Error as error:
            database.disconnect()
            database.fail(error)
        except UnicodeDecodeError as error:  # SQLite quotes what it can't understand.
            database.disconnect()
            raise corrupt(self._path, "its schema is unreadable") from error
        except BaseException:
            database.disconnect()
            raise

    def _take_over(
        self, cursor: sqlite3.Cursor, log: WriteAheadLog | None, dead: list[DeadOwner]
    ) -> None:
        """Become the owner of what nobody else has open."""
        look_through(cursor, self._path)
        compare_with_marks(cursor, self._path, log, dead)
        transactions.give_back(cursor, sql.RETURN_ALL)
        cursor.execute(sql.FIND_FIRST_LEASE)

    def bury(self) -> bool:
        """Give back what dead owners held; whether there was any such owner."""
        if not anybody_else(self._path, self.owner.number):
            return False
        with opening(self._path):
            _, dead = others(self._path, self.owner.number)
            for owner in dead:
                self.give_back(owner.number)
                owner.remove()
        return bool(dead)

    def give_back(self, number: int) -> None:
        """Give back what an owner holds."""
        database, lazy = self.database, self.database.lazy
        if database.do(lazy, sql.UNACKED)[0][0]:
            self.durability.with_room(
                database.work, lazy, transactions.give_back, sql.RETURN, (number,)
            )
            self.durability.was_written(2)

    @property
    def closed(self) -> bool:
        """Whether nothing more can be done with it."""
        return self.database.closed

    def flush(self) -> None:
        """Sync everything this handle did."""
        self.database.check()
        self.durability.flush()

    def close(self) -> None:
        """Give back what this handle holds, sync, and leave one tidy file if it was the last."""
        try:
            if not self.database.broken:
                self.give_back(self.owner.number)
                self.durability.flush()
        finally:
            self._end(keep=self.database.broken is not None)

    def kill(self) -> None:
        """Leave the files as the end of the process by force does."""
        self._end(keep=True)

    def lose_power(self) -> None:
        """Leave the files as a power cut does, what was not synced being gone."""
        lost = self.durability.commits_to_sync
        self._end(keep=True, forget=True)
        name = beside(self._path, "-wal")
        log = read_wal(name)
        if lost and log is not None:
            kept = log.commits[: max(0, len(log.commits) - lost)]
            os.truncate(name, kept[-1] if kept else 0)

    def _end(self, keep: bool, forget: bool = False) -> None:
        """Close everything; ``keep`` leaves the files as they are."""
        with opening(self._path):
            try:
                if not keep:
                    self.durability.shrink()
            finally:
                self.database.closed = self.database.in_doubt = True
                if forget:
                    self.owner.forget()
                elif keep:
                    self.owner.leave(keep=True)
                else:
                    self.owner.give_reserve()
                self.database.disconnect(checkpoint=not keep)
                if not keep:
                    self.owner.leave()

    def leave_to_parent(self) -> None:
        """In a forked child: use nothing, and close no connection, of what the parent has open."""
        self.database.closed = self.database.in_doubt = True
        self.owner.leave(keep=True)
        _inherited.append(self.database)


def _check_there(path: Path, alive: int, log: WriteAheadLog | None) -> None:
    """Refuse to make a database where only its log is left: SQLite would remove that."""
    there = path.exists()
    if (alive or log is not None) and not (there and path.stat().st_size):
        what = "it is empty" if there else "it is gone"
        raise corrupt(path, f"{what}, while {'it is open' if alive else 'its log is there'}")


_inherited: list[Database] = []
"""What must not be closed in two processes."""
