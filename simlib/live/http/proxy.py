"""A line that takes its time and loses things, between a caller and a server of this machine.

A proxy on 127.0.0.1 hands on bytes after half a round trip. It knows of HTTP only that a reply
follows its request on the same connection (HTTP/1.1 without pipelining), so that it can lose the
one or the other: it closes the connection, and the caller can't tell which of the two it was.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio import Queue, StreamReader, StreamWriter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from math import isfinite
from random import Random
from threading import Thread
from typing import Any, Final
from urllib.parse import urlsplit

__all__ = ["Line", "line"]

PIECE: Final = 65_536
"""The most bytes that are read at once."""
PIECES: Final = 64
"""The most pieces that are under way in one direction; then nothing more is read."""


class Line:
    """A line to a server; :func:`line` makes one."""

    def __init__(
        self, url: str, port: int, rtt: float, requests: float, replies: float, seed: int
    ) -> None:
        self.url = url
        """Where the server is, as seen from this end."""
        self.lost = 0
        """How many requests and replies were lost."""
        self._port = port
        self._rtt = rtt
        self._requests = requests
        self._replies = replies
        self._luck = Random(seed)

    async def serve(self, listening: socket.socket, end: asyncio.Event) -> None:
        """Take connections until the end, and close everything then."""
        # Not asyncio's server: what it has just accepted when it is closed stays open.
        loop = asyncio.get_running_loop()
        connections: list[tuple[socket.socket, asyncio.Task[None]]] = []

        def accept() -> None:
            with suppress(OSError):  # the caller has left already
                accepted, _ = listening.accept()
                accepted.setblocking(False)
                # Else the end of a reply waits for an ACK, which takes its time on purpose.
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections.append((accepted, loop.create_task(self._connect(accepted))))

        loop.add_reader(listening, accept)
        await end.wait()
        loop.remove_reader(listening)
        await _cancelled({task for _, task in connections})
        await asyncio.sleep(0)  # what was aborted is closed in the loop's next round
        for accepted, _ in connections:
            accepted.close()

    async def _connect(self, accepted: socket.socket) -> None:
        """One connection, from its opening, which takes a round trip, until something ends it."""
        writers: list[StreamWriter] = []
        try:
            reader, writer = await asyncio.open_connection(sock=accepted)
            writers.append(writer)
            await asyncio.sleep(self._rtt)
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
            writers.append(back)
            await _any_of(self._ways(reader, back, there, writer))
            for each in writers:
                each.close()
                await each.wait_closed()
        except OSError:
            pass  # nobody listens, or one of the two has left: the other learns it
        finally:
            for each in writers:
                each.transport.abort()  # no harm to one that is closed

    def _ways(
        self, reader: StreamReader, back: StreamWriter, there: StreamReader, writer: StreamWriter
    ) -> list[Coroutine[Any, Any, None]]:
        """What goes on at once on a connection; the first of these that ends, ends it."""
        asked = False

        def request_lost() -> bool:
            nonlocal asked
            again, asked = asked, True
            return not again and self._loses(self._requests)

        def reply_lost() -> bool:
            nonlocal asked
            first, asked = asked, False
            return first and self._loses(self._replies)

        up, down = _UnderWay(PIECES), _UnderWay(PIECES)
        return [
            self._send(reader, up, request_lost),
            _arrive(up, back),
            self._send(there, down, reply_lost),
            _arrive(down, writer),
        ]

    async def _send(
        self, reader: StreamReader, under_way: _UnderWay, lost: Callable[[], bool]
    ) -> None:
        """Put pieces on the way as they come, until one gets lost."""
        now, piece = asyncio.get_running_loop().time, b" "
        while piece:
            piece = await reader.read(PIECE)
            if piece and lost():
                return
            await under_way.put((now() + self._rtt / 2, piece))
        await asyncio.Event().wait()  # the end is still under way

    def _loses(self, part: float) -> bool:
        lost = self._luck.random() < part
        self.lost += lost
        return lost


class _UnderWay(Queue[tuple[float, bytes]]):
    """Pieces, each with the time when it is due (s, on the loop's clock); an empty one ends."""


async def _arrive(under_way: _UnderWay, writer: StreamWriter) -> None:
    """Hand on pieces when they are due, up to the end."""
    now = asyncio.get_running_loop().time
    while True:
        due, piece = await under_way.get()
        await asyncio.sleep(due - now())
        if not piece:
            return
        writer.write(piece)
        await writer.drain()


async def _any_of(ways: list[Coroutine[Any, Any, None]]) -> None:
    """Run them at once until the first has ended."""
    tasks = {asyncio.create_task(way) for way in ways}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _cancelled(tasks)


async def _cancelled(tasks: set[asyncio.Task[Any]]) -> None:
    """Stop them, whatever comes of them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def line(
    to: str, rtt: float = 0.04, requests: float = 0.0, replies: float = 0.0, seed: int = 0
) -> Iterator[Line]:
    """A line to a server, for as long as the block runs; its ``url`` stands for the server's.

    A caller that sends one request after another meets the same losses as on the line inside the
    program, :class:`simlib.calls.LossyLine`, with the same seed.

    Parameters
    ----------
    to : str
        The server's address, ``http://127.0.0.1:PORT``.
    rtt : float
        Time there and back (s, >= 0); opening a connection takes as long again.
    requests, replies : float
        Which part of the requests, and of the replies to the others, gets lost; from 0 to 1.
    seed : int
        What decides which.

    Examples
    --------
    >>> from simlib.calls import Request, ShopService
    >>> from simlib.calls.sample import sample_shop
    >>> from simlib.live.http import HttpService, line, serve
    >>> with (
    ...     sample_shop() as shop,
    ...     serve(ShopService(shop)) as server,
    ...     line(server.url, rtt=0.01) as far,
    ...     HttpService(far.url) as service,
    ... ):
    ...     service.handle(Request("GET", "/orders/1042")).status
    200
    """
    address = urlsplit(to)
    if address.scheme != "http" or address.hostname != "127.0.0.1" or not address.port:
        raise ValueError(f"to must be http://127.0.0.1 with a port, got {to!r}")
    if (
        isinstance(rtt, bool)
        or not isinstance(rtt, int | float)
        or not (isfinite(rtt) and rtt >= 0)
    ):
        raise ValueError(f"rtt must be a number of seconds from 0 on, got {rtt!r}")
    for name, part in (("requests", requests), ("replies", replies)):
        if isinstance(part, bool) or not isinstance(part, int | float) or not 0 <= part <= 1:
            raise ValueError(f"{name} must be a number from 0 to 1, got {part!r}")
    end, loop = asyncio.Event(), asyncio.SelectorEventLoop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        there = f"http://127.0.0.1:{listening.getsockname()[1]}"
        made = Line(there, address.port, rtt, requests, replies, seed)

        def run() -> None:
            try:
                loop.run_until_complete(made.serve(listening, end))
            finally:
                loop.close()

        thread = Thread(target=run, name="simlib-line", daemon=True)
        thread.start()
        try:
            yield made
        finally:
            loop.call_soon_threadsafe(end.set)
            thread.join()
