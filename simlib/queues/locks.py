"""A lock on a file that the system takes back when its owner dies."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

__all__ = ["lock", "lock_directory", "lock_file"]

if sys.platform == "win32":
    import msvcrt

    def lock(handle: int, wait: bool) -> bool:
        """Lock an open file; False if somebody else holds it and we don't wait."""
        here = os.lseek(handle, 0, os.SEEK_CUR)
        os.lseek(handle, 1 << 40, os.SEEK_SET)  # Beyond all content, for nobody could read that.
        try:
            msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError:
            return lock(handle, wait) if wait else False  # It waits for ten seconds only.
        finally:
            os.lseek(handle, here, os.SEEK_SET)
        return True
else:
    import fcntl

    def lock(handle: int, wait: bool) -> bool:
        """Lock an open file; False if somebody else holds it and we don't wait."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True


def lock_file(file: Path) -> int:
    """Lock a file, made if it isn't there; its handle, which holds the lock until it is closed.

    Raises
    ------
    BlockingIOError
        Somebody else holds it, be it another process or this one.
    """
    return _locked(file, os.O_RDWR | os.O_CREAT)


def _locked(file: Path, flags: int) -> int:
    handle = os.open(file, flags, 0o600)
    try:
        if not lock(handle, wait=False):
            raise BlockingIOError(errno.EWOULDBLOCK, "somebody else holds the lock", str(file))
    except BaseException:
        os.close(handle)
        raise
    return handle


def lock_directory(directory: Path) -> int:
    """Lock a directory, as ``lock_file`` does a file.

    A file made for it could be deleted by somebody who cleans up, and made and locked again by
    somebody else. Windows locks no directories, but it deletes no file that is open either.
    """
    return lock_file(directory / "lock") if os.name == "nt" else _locked(directory, os.O_RDONLY)
