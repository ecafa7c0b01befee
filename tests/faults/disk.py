"""A disk whose writes can be watched, made to fail, and taken back as a power cut takes them."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CALLS = ("open", "close", "pwrite", "pread", "ftruncate", "fsync", "fdatasync", "unlink")
SECTOR = 512


@dataclass
class Event:
    """Something that happened to a file, or a mark that the test has left."""

    kind: str
    name: str
    offset: int = 0
    data: bytes = b""
    mark: Any = None


@dataclass
class Disk:
    """Watches what a queue does in one folder."""

    folder: Path
    events: list[Event] = field(default_factory=list)
    fail_at: int = 0
    """Which call fails, from 1; 0: none."""
    error: int = 0
    calls: int = 0
    failed: str = ""
    """The call that was made to fail."""
    _names: dict[int, str] = field(default_factory=dict)
    _real: dict[str, Any] = field(default_factory=dict)

    def mark(self, kind: str, what: Any = None) -> None:
        self.events.append(Event("mark", kind, mark=what))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Every call that concerns the folder passes through here."""
        self._real = {call: getattr(os, call) for call in CALLS}
        try:
            for call in CALLS:
                setattr(os, call, getattr(self, f"_{call}"))
            yield
        finally:
            for call, function in self._real.items():
                setattr(os, call, function)

    def _ours(self, call: str, handle: int) -> bool:
        if handle not in self._names:
            return False
        self._count(call)
        return True

    def _count(self, call: str) -> None:
        self.calls += 1
        if self.calls == self.fail_at:
            self.failed = call
            raise OSError(self.error, os.strerror(self.error))

    def _open(self, path: Any, flags: int, *args: Any, **options: Any) -> int:
        name = self._relative(path)
        if name is None:
            return self._real["open"](path, flags, *args, **options)
        self._count("open")
        new = bool(flags & os.O_CREAT) and not Path(path).exists()
        handle = self._real["open"](path, flags, *args, **options)
        self._names[handle] = name
        if new:
            self.events.append(Event("create", name))
        return handle

    def _relative(self, path: Any) -> str | None:
        path = Path(os.fsdecode(path))
        if path == self.folder:
            return "."
        return path.name if path.parent == self.folder else None

    def _close(self, handle: int) -> None:
        self._names.pop(handle, None)
        self._real["close"](handle)

    def _pwrite(self, handle: int, data: Any, offset: int) -> int:
        if self._ours("pwrite", handle):
            self.events.append(Event("write", self._names[handle], offset, bytes(data)))
        return self._real["pwrite"](handle, data, offset)

    def _pread(self, handle: int, size: int, offset: int) -> bytes:
        self._ours("pread", handle)
        return self._real["pread"](handle, size, offset)

    def _ftruncate(self, handle: int, size: int) -> None:
        if self._ours("ftruncate", handle):
            self.events.append(Event("truncate", self._names[handle], size))
        self._real["ftruncate"](handle, size)

    def _fsync(self, handle: int) -> None:
        self._note_sync("fsync", handle)

    def _fdatasync(self, handle: int) -> None:
        self._note_sync("fdatasync", handle)

    def _note_sync(self, call: str, handle: int) -> None:
        # The disk isn't waited for: what is on it after a power cut, this class decides.
        if self._ours(call, handle):
            self.events.append(Event("sync", self._names[handle]))
        else:
            self._real[call](handle)

    def _unlink(self, path: Any, **options: Any) -> None:
        name = self._relative(path)
        if name is not None:
            self._count("unlink")
            self.events.append(Event("unlink", name))
        self._real["unlink"](path, **options)

    # A power cut

    def after_power_cut(self, count: int, folder: Path, survives: Survival) -> None:
        """Lay out the files as a power cut after so many events leaves them."""
        folder.mkdir()
        events = self.events[:count]
        for name, content in _files(events, survives).items():
            (folder / name).write_bytes(content)


Survival = Callable[[int, bytes, bytes], bytes]
"""What is at an offset after the cut, given what was on disk there and what was written."""


def gone(offset: int, old: bytes, new: bytes) -> bytes:
    """Nothing that was not synced survives."""
    return old


def some(rng: random.Random) -> Survival:
    """Any sector that was not synced survives or not."""

    def survival(offset: int, old: bytes, new: bytes) -> bytes:
        result = bytearray(old)
        begin = 0
        while begin < len(new):
            end = min(len(new), begin + SECTOR - (offset + begin) % SECTOR)
            if rng.random() < 0.5:
                result[begin:end] = new[begin:end]
            begin = end
        return bytes(result)

    return survival


def _files(events: list[Event], survives: Survival) -> dict[str, bytes]:
    """What is on disk: names as of the last sync of the folder, contents as of each file's own."""
    contents: dict[str, bytearray] = {}
    pending: dict[str, list[Event]] = {}
    entries: set[str] = set()
    current: set[str] = set()
    for event in events:
        name = event.name
        if event.kind == "create":
            current.add(name)
            contents[name] = bytearray()
            pending[name] = []
        elif event.kind in ("write", "truncate"):
            pending[name].append(event)
        elif event.kind == "sync" and name == ".":
            entries = set(current)
        elif event.kind == "sync":
            for each in pending[name]:
                _apply(contents[name], each, lambda offset, old, new: new)
            pending[name] = []
        elif event.kind == "unlink":
            current.discard(name)
    for name in entries:
        for each in pending[name]:
            _apply(contents[name], each, survives)
    return {name: bytes(contents[name]) for name in entries}


def _apply(content: bytearray, event: Event, survives: Survival) -> None:
    if event.kind == "truncate":
        # Whether the size survives is open, too; what was cut off is not.
        del content[event.offset :]
        return
    end = event.offset + len(event.data)
    if end > len(content):
        content.extend(bytes(end - len(content)))
    old = bytes(content[event.offset : end])
    content[event.offset : end] = survives(event.offset, old, event.data)


def fill(file: Path) -> None:
    """Leave no byte of the disk free."""
    with file.open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(512))
