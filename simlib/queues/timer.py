"""Do something soon, in a thread, for all who have asked for it meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Timer"]


class Timer:
    """Calls a function some time after somebody asked for it, once for all who did.

    Parameters
    ----------
    call : callable
        The function; it says whether there may be a next time.
    delay : float
        Seconds between the first who asks and the call.
    """

    def __init__(self, call: Callable[[], bool], delay: float) -> None:
        self._call = call
        self._delay = delay
        self._asked = threading.Event()
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="simlib timer", daemon=True).start()

    def ask(self) -> None:
        """Have the function called in ``delay`` seconds, if that isn't to happen before."""
        if not self._asked.is_set():
            self._asked.set()

    def stop(self) -> None:
        """Let the thread end soon."""
        self._stopped.set()
        self._asked.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._asked.wait()
            self._stopped.wait(self._delay)
            self._asked.clear()
            if not self._call():
                return
