"""A RabbitMQ server of one's own, to be restarted, killed and starved: nobody else's is touched.

It has a folder, ports, a cookie and a port mapper (``epmd``) of its own, listens on 127.0.0.1
alone, and goes with the program that started it, even if that is killed: a guard outlives the
program, hears that its pipe is closed, and removes what is left.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Self

from ..address import HOW_TO_GET
from .connection import Link, close

__all__ = ["PrivateBroker", "programs"]

BOUND = 120.0
"""How long a start or a stop may take (s); under load it was 17."""

USUAL = (
    "/usr/lib/rabbitmq/lib/*/sbin",  # Debian; what is on the PATH changes user and directory
    "/opt/homebrew/opt/rabbitmq/sbin",
    "/usr/local/opt/rabbitmq/sbin",
    "/opt/rabbitmq/sbin",
)

GUARD = """
import os, shutil, signal, sys
groups = set()
for line in sys.stdin:
    began, group = line.split()
    (groups.add if began == "began" else groups.discard)(int(group))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""


def programs() -> Path:
    """The folder of RabbitMQ's programs that run as whoever calls them.

    Raises
    ------
    FileNotFoundError
        They, or Erlang's, are not installed; the text says how to get them.
    """
    if os.name == "nt":
        raise FileNotFoundError("a server of one's own is ended by signals, which Windows lacks")
    home = os.environ.get("RABBITMQ_HOME")
    found = [Path(home) / "sbin"] if home else []
    for place in USUAL:
        found += sorted(Path("/").glob(place.lstrip("/")))
    for folder in found:
        if (folder / "rabbitmq-server").is_file() and shutil.which("erl"):
            return folder
    raise FileNotFoundError(
        "a RabbitMQ server to be started is missing (a container or one on another machine won't "
        f"do); RABBITMQ_HOME says where it is, if it is installed. {HOW_TO_GET}"
    )


class PrivateBroker:
    """A server that is there as long as this object; a context manager.

    Starting takes about five seconds, and stopping one.
    """

    def __init__(self) -> None:
        self._programs = programs()
        self._port, distribution, mapper = _free_ports(3)
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}/%2F"
        """Its address."""
        self.folder = Path(mkdtemp(prefix="simlib-broker-"))
        """Where all that it keeps is."""
        self._environment = self._prepare(distribution, mapper)
        self._server: subprocess.Popen[bytes] | None = None
        try:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-c", GUARD, str(self.folder)],
                stdin=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError:
            shutil.rmtree(self.folder)
            raise
        try:
            # Else the server starts one that outlives it.
            self._mapper = self._run("epmd", "-port", str(mapper), "-address", "127.0.0.1")
            self.start()
        except BaseException:
            self.close()
            raise

    def _prepare(self, distribution: int, mapper: int) -> dict[str, str]:
        for name in ("home", "mnesia", "log"):
            (self.folder / name).mkdir()
        files = {
            "environment": "",  # Else the machine's own says what the node is called.
            "plugins": "[].\n",
            "rabbitmq.conf": f"listeners.tcp.default = 127.0.0.1:{self._port}\n"
            "disk_free_limit.absolute = 1MB\n",
        }
        for name, text in files.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return kept | {
            "HOME": str(self.folder / "home"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "environment"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_NODENAME": f"private-{self._port}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(mapper),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none"
            ),
        }

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        """Start something in a group of its own, of which the guard knows."""
        with (self.folder / "output").open("ab") as output:
            process = subprocess.Popen(
                command,
                env=self._environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._tell("began", process.pid)
        return process

    def _tell(self, what: str, group: int) -> None:
        assert self._guard.stdin is not None
        with suppress(BrokenPipeError, ValueError):  # ValueError: closed before.
            self._guard.stdin.write(f"{what} {group}\n".encode())
            self._guard.stdin.flush()

    def start(self) -> None:
        """Start it, on what it kept, and wait until it answers."""
        self._server = self._run(str(self._programs / "rabbitmq-server"))
        end, attempts = time.monotonic() + BOUND, 3
        while True:
            if self._speaks():
                close(Link(url=self.url).connect())
                return
            if self._server.poll() is not None and attempts > 1:
                # One that was killed a moment ago may still have its name or its port.
                attempts -= 1
                self._tell("ended", self._server.pid)
                time.sleep(1.0)
                self._server = self._run(str(self._programs / "rabbitmq-server"))
            if self._server.poll() is not None or time.monotonic() > end:
                said = (self.folder / "output").read_text(encoding="utf-8", errors="replace")
                raise ConnectionError(f"the private server did not start: {said}")
            time.sleep(0.1)

    def _speaks(self) -> bool:
        """Whether it answers AMQP's greeting; a port may be open before."""
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=5) as line:
                line.sendall(b"AMQP\x00\x00\x09\x01")
                return bool(line.recv(1))
        except OSError:
            return False

    def stop(self) -> None:
        """Let it end in order (SIGTERM): it writes what it has."""
        with suppress(ProcessLookupError, FileNotFoundError, ValueError):
            os.kill(int((self.folder / "pid").read_text(encoding="utf-8")), signal.SIGTERM)
        self._gone()

    def kill(self) -> None:
        """End it at once (SIGKILL): what it has not written is lost."""
        assert self._server is not None
        with suppress(ProcessLookupError):
            os.killpg(self._server.pid, signal.SIGKILL)
        self._gone()

    def _gone(self) -> None:
        if self._server is None:
            return
        self._server.wait(BOUND)
        end = time.monotonic() + BOUND
        while time.monotonic() < end:  # What was started first may be gone before the rest.
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)):
                    break
            time.sleep(0.02)
        self._tell("ended", self._server.pid)
        self._server = None

    def control(self, *arguments: str) -> str:
        """What ``rabbitmqctl`` says, asked about this server."""
        command = [str(self._programs / "rabbitmqctl"), *arguments]
        done = subprocess.run(
            command,
            env=self._environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=BOUND,
            check=False,
        )
        return done.stdout + done.stderr

    def starve(self, of_memory: bool = True) -> None:
        """Raise the memory alarm, which blocks whoever publishes; or end it."""
        self.control("set_vm_memory_high_watermark", "0.0000001" if of_memory else "0.4")

    def close(self) -> None:
        """End it, and leave nothing behind."""
        with ExitStack() as stack:
            stack.callback(self._guard.wait, BOUND)
            if self._guard.stdin is not None:
                stack.callback(self._guard.stdin.close)
            mapper = getattr(self, "_mapper", None)
            if mapper is not None:
                stack.callback(self._tell, "ended", mapper.pid)
                stack.callback(mapper.wait, BOUND)
                stack.callback(mapper.terminate)
            if self._server is not None:
                self.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in taken]
