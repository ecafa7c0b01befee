"""Save from damaged files what can be saved."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path

from .errors import Salvage, is_open

__all__ = ["recover"]


def recover(path: str | PathLike[str], into: str | PathLike[str] | None = None) -> Salvage:
    """Put every intact message of a damaged queue into a new one; the old files stay as they are.

    Messages keep their ids, order, headers, priority, delay and number of attempts. One whose ack
    is among what can't be read is delivered again.

    Parameters
    ----------
    path : path
        The directory of a ``FileQueue`` or the file of an ``SQLiteQueue``. Nobody may have it open.
    into : path, optional
        Where the new queue is made; there must be nothing yet. If not given: beside the old one,
        with ``-recovered`` at the end of the name.

    Returns
    -------
    Salvage
        Where the new queue is, how many messages it has, and what could not be read.
    """
    from .sqlite.salvage import has_log, recover_sqlite  # Each kind is loaded when it is needed.

    source = Path(path)
    target = source.with_name(source.name + "-recovered") if into is None else Path(into)
    if not source.exists() and not has_log(source):
        raise FileNotFoundError(f"there is no queue at {source}")
    if target.exists():
        raise FileExistsError(f"{target} is there already; name another place for the new queue")
    return _recover_log(source, target) if source.is_dir() else recover_sqlite(source, target)


def _recover_log(source: Path, target: Path) -> Salvage:
    import shutil

    from .file import FileQueue
    from .file.reader import salvage
    from .locks import lock_directory

    try:
        lock = lock_directory(source)
    except BlockingIOError:
        raise is_open(source) from None
    unfinished = target.with_name(f".{target.name}-unfinished")
    try:
        messages, lost = salvage(source)
        shutil.rmtree(unfinished, ignore_errors=True)
        with FileQueue(unfinished, sync="never") as queue:
            for put, attempts in messages:
                queue._restore(put, attempts)
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        os.close(lock)
    return Salvage(target, len(messages), tuple(lost))
