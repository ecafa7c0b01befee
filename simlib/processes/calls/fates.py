"""What became of every attempt at a call: accounts that must balance."""

from __future__ import annotations

from ..record import LedgerError

__all__ = ["Fates"]


class Fates:
    """How many attempts ended in which way, as whoever runs the service would count them.

    ``attempts == answered + failed + late + rejected + skipped + cancelled + under way``, each
    attempt counted once: when nothing can happen to it any more. A retry and a hedge are attempts
    like any other.
    """

    __slots__ = ("answered", "attempts", "cancelled", "failed", "late", "rejected", "skipped")

    def __init__(self) -> None:
        self.attempts = 0
        """All that were made."""
        self.answered = 0
        """Done, and somebody was waiting for the answer."""
        self.failed = 0
        """Answered by an error, or lost in a crash."""
        self.late = 0
        """Done in vain: nobody was waiting any more."""
        self.rejected = 0
        """Turned away before any work: no room, a limit, a breaker, nobody listens."""
        self.skipped = 0
        """Accepted, and put aside when its turn came."""
        self.cancelled = 0
        """Called off by who had made it, waiting or at work."""

    def check(self, under_way: int) -> None:
        """Raise unless the accounts balance.

        Parameters
        ----------
        under_way : int
            How many attempts were found that may still be worked on.

        Raises
        ------
        LedgerError
            If an attempt appeared or vanished.
        """
        known = {name: getattr(self, name) for name in self.__slots__ if name != "attempts"}
        if sum(known.values()) + under_way != self.attempts:
            raise LedgerError(
                f"{sum(known.values()) + under_way} attempts accounted for of {self.attempts}: "
                f"{known}, under way {under_way}"
            )
