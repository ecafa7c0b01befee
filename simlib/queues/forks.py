"""What a fork does to open queues.

The child has the files and not the locks: what is open belongs to the parent, whose threads may
hold any lock, so none is touched.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["belongs_to_parent"]


class _Inherited(Protocol):
    def _leave_to_parent(self) -> None:
        """Be of no use in this process, and harm nothing that the parent has open."""


def belongs_to_parent(queue: _Inherited) -> None:
    """Have a queue that is open left alone in every child that is forked."""
    _open.add(queue)


_open: weakref.WeakSet[_Inherited] = weakref.WeakSet()


def _leave_all() -> None:
    for queue in list(_open):
        queue._leave_to_parent()
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all)
