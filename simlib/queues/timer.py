"""Do something soon, in a thread, for all who have asked for it meanwhile."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

__all__ = ["Timer"]


class Timer:
    """Calls a method some time after somebody asked for it, once for all who did.

    Parameters
    ----------
    call : method
        It says whether there may be a next time; there is none once its object is gone.
    delay : float
        Seconds between the first who asks and the call.
    """

    def __init__(self, call: Callable[[], bool], delay: float) -> None:
        # Neither the thread nor what it waits for keeps alive whom it works for.
        self._call = weakref.WeakMethod(call, lambda _: self.stop())
        self._delay = delay
        self._asked = threading.Event()
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="simlib timer", daemon=True).start()

    def ask(self) -> None:
        """Have the method called in ``delay`` seconds, if that isn't to happen before."""
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
            call = self._call()
            if call is None or not call():
                return
            del call
