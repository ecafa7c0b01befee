"""What the fault tests share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

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
