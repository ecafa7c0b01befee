"""A line to a server that can be cut, or keep its answers back: what networks do, on purpose.

It listens on 127.0.0.1 alone and passes every byte on. Whoever connects through it meets exactly
the failure that is asked for, at the step at which it is asked for.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from ..address import address

__all__ = ["Line"]


class Line:
    """Passes bytes between this machine's programs and a server of this machine.

    Parameters
    ----------
    url : str, optional
        The server's, as for :func:`simlib.live.address.address`.
    """

    def __init__(self, url: str | None = None) -> None:
        parts = urlsplit(address(url))
        self._server = str(parts.hostname), parts.port or 5672
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        user = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{port}".lstrip("@")))
        """How to reach the server through this line."""
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._answers = threading.Event()
        self._answers.set()
        self._down = False
        threading.Thread(target=self._accept, name="line", daemon=True).start()

    def hold_answers(self) -> None:
        """From now on keep back what the server says; what it is told still gets there."""
        self._answers.clear()

    def cut(self) -> None:
        """Break every connection. What was kept back is gone; who connects again gets through."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                _end(end)
        self._answers.set()

    def close(self) -> None:
        """Cut it for good."""
        self._down = True
        _end(self._listener)
        self.cut()

    def _accept(self) -> None:
        while not self._down:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._server, timeout=15)
            except OSError:
                _end(client)
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.append((client, server))
            for source, target, held in ((client, server, False), (server, client, True)):
                work = (source, target, held)
                threading.Thread(target=self._pass_on, args=work, name="line", daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, held: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if held:
                    self._answers.wait()
                target.sendall(data)
        _end(source)
        _end(target)
        with self._lock:
            self._pairs = [pair for pair in self._pairs if source not in pair]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
