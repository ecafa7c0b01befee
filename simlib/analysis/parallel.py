"""Runs in several processes, none of which outlives the one that started them."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from joblib import Parallel, delayed

from .arguments import processes

__all__ = ["spread"]


def spread(
    call: Callable[..., Any], each: Iterable[tuple[Any, ...]], n_jobs: int, *, ordered: bool = True
) -> Iterator[Any]:
    """What the call gives for each tuple of arguments; in their order, or as they get done."""
    jobs = (delayed(call)(*arguments) for arguments in each)
    kind = "generator" if ordered else "generator_unordered"
    with _orderly_end():
        yield from Parallel(n_jobs=processes(n_jobs), return_as=kind)(jobs)


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Let SIGTERM end this process by an exception, so that it cleans up.

    By default the signal ends it on the spot, and its workers wait for work for a while.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(number: int, frame: object) -> None:
    sys.exit(128 + number)
