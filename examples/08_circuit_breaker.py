"""Retries with backoff around a function that fails, and a breaker that stops calling it."""

from random import Random

from simlib.resilience import CircuitBreaker, FullJitter, Retry

breaker = CircuitBreaker(rate=0.5, window=6, minimum=6, open_for=3.0, probes=1)
retry = Retry(attempts=3, wait=FullJitter(base=0.2, most=2.0))
rng = Random(6)
now = 0.0  # Seconds. A program takes time.monotonic() and sleeps; nothing waits here.


def flaky() -> bool:
    """Fails now and then, and always from 3 s to 8 s."""
    return not 3 <= now < 8 and rng.random() < 0.7


def call() -> list[str]:
    """One call: attempts with pauses in between, as long as the breaker lets them through."""
    global now
    said: list[str] = []
    for attempt in range(1, retry.attempts + 1):
        ticket = breaker.allow(now)
        if ticket is None:
            return [*said, "refused by the breaker"]
        ok = flaky()
        breaker.record(ticket, now, ok=ok)
        if ok:
            return [*said, "done"]
        said.append("failed")
        now += retry.pause(attempt, draw=rng.random()) or 0.0
    return [*said, "given up"]


for second in range(12):
    now = max(now, float(second))
    print(f"{now:5.2f} s  {', '.join(call())}")
