"""The services of :mod:`simlib.calls` on real sockets, on this machine only.

``serve`` puts any ``Service`` on a socket of 127.0.0.1, and ``HttpService`` is one that asks there.
``PolicyAdapter`` gives the policies of :mod:`simlib.resilience` to any ``requests.Session``; a
``line`` between the two is as slow as a line over land, and loses replies.
"""

from ...extras import require

require("live", __name__)

from .client import HttpService
from .policies import BreakerOpenError, Policies, PolicyAdapter
from .proxy import Line, line
from .server import Server, application, serve
from .tasks import measure_task
from .wrapped import Slowed, Traced

__all__ = [
    "BreakerOpenError",
    "HttpService",
    "Line",
    "Policies",
    "PolicyAdapter",
    "Server",
    "Slowed",
    "Traced",
    "application",
    "line",
    "measure_task",
    "serve",
]
