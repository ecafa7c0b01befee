"""A lock on a file that the system takes back when its owner dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["lock_file"]


def lock_file(file: Path) -> int:
    """Lock a file, made if it isn't there; its handle, which holds the lock until it is closed.

    Raises
    ------
    BlockingIOError
        Somebody else holds it, be it another process or this one.
    """
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            try:
                msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            except OSError as error:
                raise BlockingIOError(str(error)) from None
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(handle)
        raise
    return handle
