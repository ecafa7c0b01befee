"""A queue in an append-only log on disk.

``queue`` is what a program uses; ``journal`` says what is noted of each message and ``writer`` how
it gets to the disk. ``records`` is the format, ``segments`` the files that have it, ``mark`` the
note of where the log begins, and ``reader`` reads a log back after whatever has happened to it.
"""

from .queue import FileQueue

__all__ = ["FileQueue"]
