"""A second copy of a call that takes long: whichever answers first, counts."""

from __future__ import annotations

from dataclasses import dataclass

from .budget import RetryBudget
from .checks import check_number, check_whole

__all__ = ["Hedge"]


@dataclass(frozen=True, slots=True)
class Hedge:
    """Another copy of a call, each time there was no answer for ``after`` seconds.

    The first answer counts, and the others are to be cancelled. Dean and Barroso (2013) send the
    copy at the 95th percentile, for 5 % more calls. That holds while the callee has capacity for
    them: a hedge is a retry. Without cancellation only a load below one half surely bears it, and
    a budget bounds it.

    An answer at the very instant a copy is due is in time, and no copy is sent.

    Polly sends one copy after 2 s; gRPC up to five in all, and slows down when calls fail; neither
    has a budget. Envoy hedges at the timeout of a try. Only what may be done twice may be hedged.

    It is a value: it never changes, so all calls and threads may share it. Its budget, if it has
    one, is shared, too.

    Parameters
    ----------
    after : float
        How long to wait for an answer to the copies sent (s, >= 0).
    copies : int
        The most copies beside the first (>= 1).
    budget : RetryBudget, optional
        What copies are paid from; whoever calls lets each first copy :meth:`~RetryBudget.earn`.

    Raises
    ------
    TypeError, ValueError
        If a number is out of bounds, or the budget isn't one.

    Examples
    --------
    >>> hedge = Hedge(after=0.25)
    >>> hedge.due(10.0, sent=1), hedge.take(), hedge.due(10.0, sent=2)
    (10.25, True, None)
    """

    after: float
    copies: int = 1
    budget: RetryBudget | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "after", check_number("after", self.after, unit="seconds"))
        object.__setattr__(self, "copies", check_whole("copies", self.copies, 1))
        if self.budget is not None and not isinstance(self.budget, RetryBudget):
            raise TypeError(f"budget must be RetryBudget(...) or None, got {self.budget!r}")

    def due(self, started: float, sent: int = 1) -> float | None:
        """When another copy is due, if there is no answer until then and at that instant.

        Parameters
        ----------
        started : float
            When the first copy was sent (s).
        sent : int
            How many copies have been sent, the first included.

        Returns
        -------
        float or None
            An instant (s), or None: there are as many as there may be.
        """
        return started + sent * self.after if sent <= self.copies else None

    def take(self) -> bool:
        """Ask for a copy that is due: True, and the budget has paid, or False: refused."""
        return self.budget is None or self.budget.take()
