"""An inbox: which messages a service has worked on, noted in the transaction of the work.

::

    inbox(message, answer)   what was answered, to be answered again: done, refused; or undone

In a database other than that of the work the same table is a *dedup store*: then the two are two
transactions, and a crash between them leaves one without the other.
"""

from __future__ import annotations

from collections.abc import Callable

from .database import DONE, REFUSED, Database

__all__ = ["Inbox"]


class Inbox:
    """What a service has seen, in a database.

    Parameters
    ----------
    database : Database
        Whose transactions the notes are written in.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        database.execute(
            "CREATE TABLE IF NOT EXISTS inbox (message TEXT PRIMARY KEY, answer TEXT NOT NULL)"
            " WITHOUT ROWID"
        )

    def answer(self, message: str) -> str | None:
        """What was answered to a message; None if it was never seen."""
        found: str | None = self.database.value(
            "SELECT answer FROM inbox WHERE message = ?", (message,)
        )
        return found

    def note(self, message: str, answer: str) -> bool:
        """Note what was answered; False if the message was seen before, and nothing changes."""
        noted = self.database.execute(
            "INSERT OR IGNORE INTO inbox VALUES (?, ?)", (message, answer)
        )
        return noted.rowcount == 1

    def once(self, message: str, effect: Callable[[], str]) -> str:
        """Do what a message asks for unless it was done, and give the answer of the first time.

        The effect and the note are one transaction, if the effect is on the same database.
        """
        with self.database.transaction():
            known = self.answer(message)
            if known is not None:
                return known
            answer = effect()
            self.note(message, answer)
            return answer

    def undo(self, message: str, effect: Callable[[], object]) -> None:
        """Undo what a message asked for, once, and only if it was done.

        A message that has not come yet is refused when it comes: who undoes a step that gave no
        answer can't know whether the request is still under way.
        """
        with self.database.transaction():
            if not self.note(message, REFUSED) and self.answer(message) == DONE:
                effect()
                self.database.execute(
                    "UPDATE inbox SET answer = 'undone' WHERE message = ?", (message,)
                )
