"""Refusing before any work is done: so many requests in a while, and no more."""

from __future__ import annotations

from math import inf
from threading import Lock

from .checks import check_number

__all__ = ["TokenBucket"]

ROUNDING = 1e-9
"""Tokens come by rate·dt, and 10 · (0.3 − 0.2) is 0.9999999999999998: one token."""


class TokenBucket:
    """Tokens come at a constant rate up to a burst; a request takes one or is refused.

    Full at the start. In any t seconds it lets at most burst + rate·t through. Counting in fixed
    windows instead lets twice the burst pass at the edge of two.

    resilience4j's limiter counts in fixed periods (50 in 500 ns by default: no limit in practice).
    Envoy's local rate limit, Polly's ``TokenBucketRateLimiter`` and Guava's ``RateLimiter`` are
    token buckets, refilled in steps or, as here, continuously.

    Threads may share it: each method is atomic. A time that is earlier than one told before adds
    no tokens.

    Parameters
    ----------
    rate : float
        Tokens per second (> 0).
    burst : float
        The most tokens (>= 1).

    Raises
    ------
    TypeError, ValueError
        If a number is out of bounds.

    Examples
    --------
    >>> bucket = TokenBucket(rate=2, burst=1)
    >>> bucket.take(0.0), bucket.take(0.0), bucket.wait(0.0), bucket.take(0.5)
    (True, False, 0.5, True)
    """

    def __init__(self, rate: float, burst: float = 1.0) -> None:
        self.rate = check_number("rate", rate, above=True, unit="tokens per second")
        self.burst = check_number("burst", burst, 1, unit="tokens")
        self._lock = Lock()
        self._tokens = self.burst
        self._filled = -inf

    def __repr__(self) -> str:
        return f"TokenBucket(rate={self.rate}, burst={self.burst}, left={max(0.0, self._tokens)})"

    def left(self, now: float) -> float:
        """How many tokens there are."""
        with self._lock:
            return max(0.0, self._at(now))

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """Ask for tokens: True, and they are taken, or False: refused.

        Parameters
        ----------
        now : float
            Seconds.
        tokens : float
            How many (<= burst).

        Raises
        ------
        ValueError
            If there can never be as many.
        """
        self._check(tokens)
        with self._lock:
            left = self._at(now)
            if left < tokens - ROUNDING:
                return False
            # Below 0 by a rounding error at most: it is owed, so that errors don't add up.
            self._tokens = left - tokens
            self._filled = max(self._filled, now)
            return True

    def wait(self, now: float, tokens: float = 1.0) -> float:
        """How long until there are as many, if nobody takes any (s); 0 if they are there."""
        self._check(tokens)
        missing = tokens - self.left(now)
        return missing / self.rate if missing > ROUNDING else 0.0

    def _at(self, now: float) -> float:
        passed = now - self._filled
        return min(self.burst, self._tokens + self.rate * passed) if passed > 0 else self._tokens

    def _check(self, tokens: float) -> None:
        if not 0 < tokens <= self.burst:
            raise ValueError(f"tokens must be > 0 and <= the burst, {self.burst}, got {tokens!r}")
