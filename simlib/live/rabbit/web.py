"""What a web service shows to whoever makes it fail: one in a process of its own, for a moment."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

__all__ = ["error_page"]

BOUND = 60.0
"""How long it may take to start (s)."""


def error_page(service: str) -> str:
    """What is on the page of an error, and whether a console is open to everybody.

    Parameters
    ----------
    service : str
        A Flask program with ``app.run(…)``, which gets a port of 127.0.0.1, and no second process.

    Raises
    ------
    ModuleNotFoundError
        Flask is not installed.
    """
    if find_spec("flask") is None:
        raise ModuleNotFoundError(
            'a web service needs the package flask: pip install "simlib[live]"', name="flask"
        )
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    folder = mkdtemp(prefix="simlib-")
    path = Path(folder) / "service.py"  # A file, as one starts it, for the page to show its source.
    here = f"app.run(host='127.0.0.1', port={port}, use_reloader=False, "
    path.write_text(service.replace("app.run(", here), encoding="utf-8")
    program = subprocess.Popen(
        [sys.executable, "-I", "-c", STARTER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _until_it_answers(port, program)
        status, page = _get(port, "/orders/table")
        console, _ = _get(port, "/console")
        shown = [
            what
            for what, mark in (
                ("source", "of the database"),
                ("key of the debugger", "SECRET = "),
            )
            if mark in page
        ]
        shows = " and ".join(shown) or "nothing of the program"
        return f"{status}, shows {shows}; /console answers {console}"
    finally:
        program.kill()
        program.communicate()
        rmtree(folder, ignore_errors=True)


STARTER = """
import os, runpy, shutil, sys, threading

def end():  # With whoever started it, even if that was killed.
    sys.stdin.read()
    shutil.rmtree(os.path.dirname(sys.argv[1]), ignore_errors=True)
    os._exit(0)

threading.Thread(target=end, daemon=True).start()
runpy.run_path(sys.argv[1], run_name="service")
"""


def _until_it_answers(port: int, program: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + BOUND
    while True:
        try:
            _get(port, "/orders/chair")
            return
        except (OSError, HTTPException):
            if program.poll() is not None or time.monotonic() > end:
                raise ConnectionError("the web service did not start") from None
        time.sleep(0.05)


def _get(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=BOUND)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()
