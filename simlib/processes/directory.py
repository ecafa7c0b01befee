"""Where a run keeps its files: a directory that goes with it, or with the next if it was killed.

Its owner holds a lock on a file in it for as long as it lives. Whoever gets that lock knows that
the owner is gone, and may clear up.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..queues.locks import lock

__all__ = ["own_directory"]

PREFIX = "simlib-run-"
LOCK = "owner.lock"

_ROOM = 1 << 30  # bytes that must be free: containers may have next to none


@contextmanager
def own_directory(
    parent: Path | None = None,
    prefix: str = PREFIX,
    clear: Callable[[Path], object] = lambda directory: None,
) -> Iterator[Path]:
    """A directory with nothing but a lock in it, which is removed at the end.

    What runs that were killed have left in ``parent`` is removed as well.

    Parameters
    ----------
    parent : Path, optional
        Where to make it; None: in memory, where the system offers that, or where temporary files
        go. What a crash leaves is worked out from what was synced, so a run need not wait for a
        disk.
    prefix : str
        How the names begin of directories that belong together.
    clear : callable
        Called with each directory that a killed run has left, before it is removed: for what it
        left elsewhere. If it raises OSError, the directory stays for the next run.
    """
    parent = _fast_place() if parent is None else parent
    directory, handle = _make(parent, prefix)
    try:
        _clear_up(parent, prefix, directory.stat().st_uid, clear)
        yield directory
    finally:
        _remove(directory, handle)


def _fast_place() -> Path:
    memory = "/dev/shm"
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM:
        return Path(memory)
    return Path(tempfile.gettempdir())


def _make(parent: Path, prefix: str) -> tuple[Path, int]:
    """A directory, and the open file whose lock says that it has an owner."""
    while True:
        directory = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        handle = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        lock(handle, wait=True)
        # Before the lock was there, somebody else may have taken the directory for left behind.
        if os.fstat(handle).st_nlink:
            return directory, handle
        os.close(handle)


def _clear_up(parent: Path, prefix: str, owner: int, clear: Callable[[Path], object]) -> None:
    """Remove the directories of that user that nobody holds any more."""
    for directory in parent.glob(f"{prefix}*"):
        try:
            about = directory.lstat()
            if not stat.S_ISDIR(about.st_mode) or about.st_uid != owner:
                continue
            handle = os.open(directory / LOCK, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        except OSError:
            continue  # It has just gone, or is just being made.
        if not lock(handle, wait=False):
            os.close(handle)
            continue
        try:
            clear(directory)
        except OSError:
            os.close(handle)
            continue
        _remove(directory, handle)


def _remove(directory: Path, handle: int) -> None:
    """Remove a directory whose lock is held; what can't be now is left to the next run."""
    shutil.rmtree(directory, ignore_errors=True)
    os.close(handle)
    # Where an open file can't be removed.
    shutil.rmtree(directory, ignore_errors=True)
