"""How to open each kind of queue, by its name.

Whatever lets its user choose a queue opens it with :func:`open_queue`: a new kind is a line here.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from .base import MessageQueue

__all__ = ["KINDS", "Kind", "open_queue"]


class Kind(NamedTuple):
    """What has to be known of a kind of queue in order to open one."""

    module: str
    """Where its class is: loaded when the first is opened."""
    name: str
    """Of the class."""
    path: str | None = None
    """What it is called in the directory it is given; "": it is given something else, such as a
    server; None: it is nowhere but in memory."""


KINDS = {
    "memory": Kind("memory", "MemoryQueue"),
    "file": Kind("file", "FileQueue", "queue"),
    "sqlite": Kind("sqlite", "SQLiteQueue", "queue.db"),
    "postgres": Kind("postgres", "PostgresQueue", ""),
}

_SYNC = {"sync", "sync_acks", "batch_size", "batch_time"}


def open_queue(kind: str, place: Path | str, **options: Any) -> MessageQueue:
    """Open a queue; it is made if it isn't there.

    Parameters
    ----------
    kind : str
        Its name in ``KINDS``.
    place : path or str
        A directory that exists and has no other queue of this kind in it; of a queue in a server,
        where the server is; of one in memory no matter what.
    options
        What the kind's class takes beside its place. What says when a put is on disk is left out
        for a queue that has no files: so all kinds can be opened with the same options.

    Raises
    ------
    ValueError
        There is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"queue must be one of {tuple(KINDS)}, got {kind!r}")
    module, name, path = KINDS[kind]
    opened = getattr(import_module(f".{module}", __package__), name)
    if not path:
        options = {key: value for key, value in options.items() if key not in _SYNC}
    where = () if path is None else (Path(place) / path,) if path else (place,)
    queue: MessageQueue = opened(*where, **options)
    return queue
