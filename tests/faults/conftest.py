"""What the fault tests share."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest


class Background:
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._outcome: Any = None
        self._call = call
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._outcome = self._call()

    def outcome(self) -> Any:
        self._thread.join(60.0)
        assert not self._thread.is_alive(), "the call did not return in 60 s"
        return self._outcome


@pytest.fixture
def background() -> type[Background]:
    return Background


@pytest.fixture
def small_disk(
    tmp_path: Path, missing: Callable[[str, str], NoReturn]
) -> Iterator[Callable[[int], Path]]:
    """Mounts a file system of so many bytes."""
    mounted: list[Path] = []

    def mount(size: int) -> Path:
        folder = tmp_path / f"disk-{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            missing("the program mount", "run the tests on Linux")
        if done.returncode:
            missing(
                f"a file system of its own ({done.stderr.strip()})",
                "run the tests as root, who may mount one",
            )
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
