"""The services of :mod:`simlib.calls` on real sockets, on this machine only.

``serve`` puts any ``Service`` on a socket of 127.0.0.1.
"""

from ...extras import require

require("live", __name__)

from .server import Server, application, serve

__all__ = ["Server", "application", "serve"]
