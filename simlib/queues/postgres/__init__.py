"""A queue in a PostgreSQL server.

``queue`` is what a program uses, ``session`` its connection to the server, and ``statements`` the
format and all that is asked of the server.
"""

from .queue import PostgresQueue

__all__ = ["PostgresQueue"]
