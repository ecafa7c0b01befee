"""What machine a measurement was made on, without a name that would tell whose it is."""

from __future__ import annotations

import os
import platform
import sqlite3
from pathlib import Path

__all__ = ["filesystem", "machine"]


def machine() -> dict[str, str]:
    """Facts about this machine, by name."""
    return {
        "CPU": f"{_cpu()}, {os.cpu_count()} cores",
        "Memory": _memory(),
        "System": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "SQLite": sqlite3.sqlite_version,
    }


def filesystem(path: str | Path) -> str:
    """The kind of file system that ``path`` is on, as Linux calls it; elsewhere "unknown"."""
    mounts = Path("/proc/self/mounts")
    if not mounts.is_file():
        return "unknown"
    here = Path(path).resolve()
    kinds = {}
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        _, where, kind, *_ = line.split()
        kinds[Path(where)] = kind  # The latest mount at a place hides the ones before.
    return next((kinds[place] for place in (here, *here.parents) if place in kinds), "unknown")


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return "unknown"
    return f"{size / 2**30:.0f} GiB"
