"""A JupyterLab of its own, opened in headless Chromium: for tests and for the benchmark.

The server binds 127.0.0.1 and has a home, settings and workspaces of its own, so that nobody's
configuration plays a part. A page that asks for anything outside this machine is refused it, and
what it asked for is kept.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from playwright.sync_api import Page, Route, sync_playwright

PATIENCE = 60  # seconds for anything to appear

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

OWN_FOLDERS = (
    "HOME",
    "IPYTHONDIR",
    "JUPYTERLAB_SETTINGS_DIR",
    "JUPYTERLAB_WORKSPACES_DIR",
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "MPLCONFIGDIR",
)


class Lab:
    """A running server."""

    def __init__(self, port: int, token: str, notebooks: Path) -> None:
        self.port = port
        self.token = token
        self.notebooks = notebooks

    def address(self, notebook: str) -> str:
        """Where a notebook is to be seen by itself, with nothing of an earlier visit."""
        return f"http://127.0.0.1:{self.port}/doc/tree/{notebook}?reset&token={self.token}"


@contextmanager
def lab(folder: Path, notebooks: Path) -> Iterator[Lab]:
    """A server on `notebooks`; `folder` is an empty one for what it writes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = token_hex(16)
    own = {name: folder / name.lower() for name in OWN_FOLDERS}
    for path in own.values():
        path.mkdir()
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *(f"--ServerApp.root_dir={notebooks}", f"--IdentityProvider.token={token}"),
        *("--expose-app-in-browser", "--LabApp.extension_manager=readonly"),
        f"--LabApp.app_settings_dir={Path(__file__).parent / 'settings'}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    environment = {
        **os.environ,
        **{name: str(path) for name, path in own.items()},
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            _wait_until_up(server, f"http://127.0.0.1:{port}/api/status?token={token}", log)
            yield Lab(port, token, notebooks)
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_until_up(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        try:
            with urlopen(address, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-2000:]}")


@contextmanager
def chromium(program: str) -> Iterator[tuple[Page, list[str]]]:
    """An empty page, and a list of what went wrong on it or was asked for outside."""
    trouble: list[str] = []

    def only_here(route: Route) -> None:
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            trouble.append(f"asked for {route.request.url}")
            route.abort()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1100, "height": 1000})
        page.set_default_timeout(1000 * PATIENCE)
        page.route("**/*", only_here)
        page.on("pageerror", lambda error: trouble.append(f"failed: {error}"))
        try:
            yield page, trouble
        finally:
            browser.close()


def run_all_cells(page: Page) -> None:
    """Run every cell from the menu, and wait until the kernel has nothing left to do."""
    page.locator("#jupyterlab-splash").wait_for(state="detached")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    wait_until_idle(page)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    wait_until_idle(page)


def wait_until_idle(page: Page) -> None:
    """Wait until the kernel is idle and no cell waits for it."""
    page.wait_for_timeout(200)  # what was just clicked is on its way to the kernel
    page.wait_for_function(
        """() => {
            const session = jupyterapp.shell.currentWidget.sessionContext.session;
            const prompts = [...document.querySelectorAll('.jp-InputPrompt')];
            return session?.kernel?.status === 'idle'
                && !prompts.some(prompt => prompt.textContent.includes('[*]'));
        }"""
    )
