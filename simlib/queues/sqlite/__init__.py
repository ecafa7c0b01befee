"""A queue in an SQLite database, which several processes may share.

``queue`` is what a program uses, ``store`` what it does to messages by the ``transactions``, and
``handle`` the opened file: its ``database``, its ``durability``, the processes that ``owners``
knows of. ``schema`` is the format; ``check``, ``wal`` and ``salvage`` are for damage.
"""

from .queue import SQLiteQueue

__all__ = ["SQLiteQueue"]
