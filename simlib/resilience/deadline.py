"""When an answer is of no use any more: one instant for a call and all that it calls."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from .checks import check_number

__all__ = ["Deadline"]


@dataclass(frozen=True, slots=True, order=True)
class Deadline:
    """The instant after which nobody waits for the answer.

    It goes along with the call. What is called has until the earlier of its caller's deadline and
    its own timeout; a timeout for each hop alone lets a callee work for a caller that has left.
    At the instant itself an answer is still in time. A deadline is a value: it never changes, and
    any number of threads may share it.

    gRPC and Finagle hand deadlines on like this. Envoy's timeout (15 s) spans all retries of a
    call, but the next hop doesn't know of it; Hystrix (1 s), Polly, resilience4j and tenacity
    know only timeouts of their own.

    Parameters
    ----------
    at : float
        Seconds on the clock of caller and callee; ``math.inf`` for none.

    Raises
    ------
    TypeError, ValueError
        If it is no number.

    Examples
    --------
    >>> client = Deadline(at=1.0)
    >>> client.callee(sent=0.25, timeout=0.5)
    Deadline(at=0.75)
    >>> client.callee(sent=0.75, timeout=0.5)
    Deadline(at=1.0)
    """

    at: float = inf

    def __post_init__(self) -> None:
        check_number("at", self.at, -inf, unit="seconds", endless=True)

    def callee(self, sent: float, timeout: float = inf) -> Deadline:
        """The deadline of what is called: min(the caller's, sent + its own timeout).

        Parameters
        ----------
        sent : float
            When the call is sent (s).
        timeout : float
            How long the caller would wait for it (s, >= 0); infinity: as long as there is.
        """
        timeout = check_number("timeout", timeout, unit="seconds", endless=True)
        return Deadline(min(self.at, sent + timeout))

    def left(self, now: float) -> float:
        """How much time there is (s); 0 when there is none."""
        return max(0.0, self.at - now)

    def expired(self, now: float) -> bool:
        """Whether it is over. At the deadline itself it isn't."""
        return now > self.at

    def allows(self, now: float, work: float = 0.0) -> bool:
        """Whether work begun now can end in time.

        To be asked when a request is taken from a queue. In a queue that is served in order,
        ``work`` should be a high quantile of the service: with 0 it serves those who are about to
        leave, and the work is in vain.

        Parameters
        ----------
        now : float
            Seconds.
        work : float
            How long the work takes (s).
        """
        return now + work <= self.at
