"""The same patterns on real things: threads, processes and servers. Only measured time passes here.

``LiveRun`` sends what a scenario draws through a real thing, and gives the same kind of result.
:class:`RabbitMQ` is a server behind the interface of :class:`simlib.broker.Broker`;
:mod:`simlib.live.rabbit` is how one uses it in earnest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .rabbitmq import RabbitMQ

if TYPE_CHECKING:
    from .crew import LiveError
    from .live_run import LiveResult, LiveRun

__all__ = ["LiveError", "LiveResult", "LiveRun", "RabbitMQ"]

_LATE = {"LiveError": "crew", "LiveResult": "live_run", "LiveRun": "live_run"}
"""Where what needs NumPy is; the processes of a run start without it."""


def __getattr__(name: str) -> Any:
    if name in _LATE:
        globals()[name] = getattr(import_module(f".{_LATE[name]}", __name__), name)
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
