"""A slider moved in a real browser, and how long until the new picture is there.

A notebook with one panel is opened in JupyterLab and headless Chromium. The page itself notes when
a key goes down on the slider and when the picture has another source.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import nbformat
from playwright.sync_api import Page, Route, sync_playwright

from .measure import Spread
from .report import Table, at_most, times

MOVES = 20
GOAL = 300  # ms
PATIENCE = 60  # seconds for anything to appear
SLIDER = ".control-load .noUi-handle"
PICTURE = ".panel-picture img"

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

IDLE = "jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"

# Presses are counted from the page's own key event, pictures from the change of the element.
WATCH = """
() => {
  window.bench = {pressed: 0, changed: 0, painted: 0};
  const source = () => document.querySelector('.panel-picture img')?.src;
  let last = source();
  document.addEventListener('keydown', () => {
    window.bench = {pressed: performance.now(), changed: 0, painted: 0};
  }, {capture: true});
  new MutationObserver(() => {
    const now = source();
    if (!now || now === last) return;
    last = now;
    const seen = window.bench;
    seen.changed = performance.now();
    document.querySelector('.panel-picture img').decode().then(
      () => requestAnimationFrame(() => requestAnimationFrame(
        () => { seen.painted = performance.now(); })));
  }).observe(document.querySelector('.panel-picture'),
             {subtree: true, childList: true, attributes: true});
}
"""


def tables() -> Iterator[Table]:
    program = next(filter(None, map(shutil.which, _browsers())), None)
    if program is None:
        yield Table("A slider in a browser", "Not measured: no Chromium was found.", (), ())
        return
    with tempfile.TemporaryDirectory() as folder, _lab(Path(folder)) as address:
        changed, painted = _measure(program, address)
    yield Table(
        title="A slider in a browser",
        about=(
            "Wall milliseconds from the key that moves the slider to the new picture, in "
            "JupyterLab and headless Chromium, both on this machine: the same panel as above, "
            "`SyncVsAsync` with two variants of 3,000 requests each. Goal: median at most "
            f"{GOAL} ms."
        ),
        columns=("from key press to", "wall ms", "moves", "goal (ms)"),
        rows=[
            (
                "`src` of the picture changed",
                times(changed),
                changed.count,
                at_most(GOAL, changed.median),
            ),
            ("picture decoded and painted", times(painted), painted.count, ""),
        ],
    )


def _browsers() -> list[str]:
    named = os.environ.get("CHROMIUM")
    return [named] if named else ["chromium", "chromium-browser", "google-chrome", "chrome"]


@contextmanager
def _lab(folder: Path) -> Iterator[str]:
    """A JupyterLab server with a home of its own and one notebook; the notebook's address."""
    root = folder / "notebooks"
    root.mkdir()
    cell = nbformat.v4.new_code_cell("from bench.panel import example\n\nexample()")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    nbformat.write(notebook, root / "panel.ipynb")

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = token_hex(16)
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *(f"--ServerApp.root_dir={root}", f"--IdentityProvider.token={token}"),
        *("--expose-app-in-browser", "--LabApp.extension_manager=readonly"),
        *("--LabApp.news_url=None",),
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command, env=_environment(folder), stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_until_up(server, f"http://127.0.0.1:{port}/api/status?token={token}")
            yield f"http://127.0.0.1:{port}/doc/tree/panel.ipynb?reset&token={token}"
        finally:
            _end(server)


def _environment(folder: Path) -> dict[str, str]:
    """Nobody's own settings, and `bench` where the kernel finds it."""
    names = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    more = ("MPLCONFIGDIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    own = {name: folder / name.lower() for name in (*names, *more)}
    for path in own.values():
        path.mkdir()
    return {
        **os.environ,
        **{name: str(path) for name, path in own.items()},
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }


def _wait_until_up(server: subprocess.Popen[bytes], address: str) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        try:
            with urlopen(address, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError("JupyterLab did not start")


def _end(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _measure(program: str, address: str) -> tuple[Spread, Spread]:
    outside: list[str] = []

    def only_here(route: Route) -> None:
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(1000 * PATIENCE)
        page.route("http*://**", only_here)
        page.goto(address)
        _run_all_cells(page)
        page.evaluate(WATCH)
        page.locator(SLIDER).focus()
        _press(page, "ArrowLeft")  # warms up
        moves = [_press(page, key) for key in _keys()]
        browser.close()
    if outside:
        raise RuntimeError(f"the page asked for something outside this machine: {outside}")
    return Spread.of([move[0] for move in moves]), Spread.of([move[1] for move in moves])


def _run_all_cells(page: Page) -> None:
    page.locator("#jupyterlab-splash").wait_for(state="detached")
    page.wait_for_function(IDLE)
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    page.locator(PICTURE).wait_for()


def _keys() -> list[str]:
    """To the lower end of the slider and up again, never at either end for two presses."""
    return ["ArrowLeft"] * 5 + ["ArrowRight"] * 9 + ["ArrowLeft"] * (MOVES - 14)


def _press(page: Page, key: str) -> tuple[float, float]:
    """Milliseconds until the picture was another one, and until it was painted."""
    page.keyboard.press(key)
    page.wait_for_function("window.bench.painted > 0")
    page.wait_for_timeout(100)  # let the table and the status come in
    seen = page.evaluate("window.bench")
    return seen["changed"] - seen["pressed"], seen["painted"] - seen["pressed"]
