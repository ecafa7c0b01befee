"""The log of a saga: what was begun, and how it ended, step by step.

::

    log(saga, step, outcome)   outcome: NULL as long as it is begun only; done, refused or undone

Whoever crashed reads it, and goes on where it stands. A step that was begun and has no outcome may
have been done or not: it is asked for again, so the services must know what they have done before.
"""

from __future__ import annotations

from typing import ClassVar

from .database import Database

__all__ = ["SagaLog"]


class SagaLog(Database):
    """The steps of all sagas, in a database of its own."""

    schema: ClassVar[str] = (
        "CREATE TABLE IF NOT EXISTS log (saga TEXT NOT NULL, step TEXT NOT NULL, outcome TEXT,"
        " PRIMARY KEY (saga, step));"
    )

    def begin(self, saga: str, step: str) -> None:
        """Note that a step is about to be asked for."""
        self.execute("INSERT OR IGNORE INTO log (saga, step) VALUES (?, ?)", (saga, step))

    def end(self, saga: str, step: str, outcome: str) -> None:
        """Note how a step ended."""
        self.execute(
            "INSERT INTO log VALUES (?1, ?2, ?3)"
            " ON CONFLICT (saga, step) DO UPDATE SET outcome = ?3",
            (saga, step, outcome),
        )

    def outcomes(self, saga: str) -> dict[str, str | None]:
        """The steps of a saga so far and how each ended; None: begun only."""
        rows = self.execute("SELECT step, outcome FROM log WHERE saga = ? ORDER BY rowid", (saga,))
        return dict(rows.fetchall())

    def sagas(self) -> list[str]:
        """All that were begun, in that order."""
        rows = self.execute("SELECT saga FROM log GROUP BY saga ORDER BY min(rowid)")
        return [saga for (saga,) in rows]
