"""Where RabbitMQ is: this machine, unless somebody says another one in so many words."""

from __future__ import annotations

import os
from ipaddress import ip_address
from urllib.parse import urlsplit

__all__ = ["HOW_TO_GET", "LOCAL", "VARIABLE", "address", "shown"]

VARIABLE = "AMQP_URL"
"""The environment variable that names another server."""

LOCAL = "amqp://guest:guest@127.0.0.1:5672/%2F"
"""The server of this machine, as it is after its installation."""

HOW_TO_GET = (
    "To get one: apt-get install rabbitmq-server (Debian, Ubuntu); brew install rabbitmq, then "
    "brew services start rabbitmq (macOS); choco install rabbitmq (Windows); "
    "docker run --rm -p 127.0.0.1:5672:5672 rabbitmq (Docker; the same beside conda, which brings "
    f"only the client). Or set {VARIABLE}=amqp://user:password@host:port/virtual-host"
)
"""What to do where none answers."""


def address(url: str | None = None, *, anywhere: bool = False) -> str:
    """The URL of the server: what is given, else the variable ``AMQP_URL``, else this machine's.

    Parameters
    ----------
    url : str, optional
        ``amqp://user:password@host:port/virtual-host``; ``%2F`` is the virtual host ``/``.
    anywhere : bool
        Whether it may lead to another machine.

    Raises
    ------
    ValueError
        It is no such URL, or leads to another machine without ``anywhere``. The text has no
        password in it.
    """
    source = "url" if url is not None else VARIABLE
    found = url if url is not None else os.environ.get(VARIABLE) or LOCAL
    try:
        parts = urlsplit(found)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or parts.scheme not in ("amqp", "amqps") or port == 0:
        raise ValueError(
            f"{source} must be amqp://user:password@host:port/virtual-host, with a port from 1 to "
            "65535 if there is one"
        )
    if not anywhere and not _is_here(host):
        raise ValueError(
            f"{source} leads to {host}, which is another machine: experiments fill queues and "
            "break connections. If that is meant, say anywhere=True"
        )
    return found


def shown(url: str) -> str:
    """Host and port of a URL, without user and password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (5671 if parts.scheme == 'amqps' else 5672)}"


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:  # The name of some machine, which nobody is asked about.
        return False
