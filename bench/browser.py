"""A slider moved in a real browser, and how long until the new picture is there.

A notebook with one panel is opened in JupyterLab and headless Chromium. The page itself notes when
a key goes down on the slider and when the picture is another one.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from playwright.sync_api import Page

from tools.lab import chromium, lab, run_all_cells

from .measure import Spread
from .report import Table, at_most, times

MOVES = 20
GOAL = 120  # ms
SLIDER = ".control-load input[type=range]"

# Presses are counted from the page's own key event, pictures from the change of the element.
WATCH = """
() => {
  window.bench = {pressed: 0, changed: 0, painted: 0};
  const source = () => document.querySelector('.panel-picture svg')?.innerHTML;
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
    requestAnimationFrame(() => requestAnimationFrame(
      () => { seen.painted = performance.now(); }));
  }).observe(document.querySelector('.panel-picture'),
             {subtree: true, childList: true, attributes: true});
}
"""


def tables() -> Iterator[Table]:
    program = next(filter(None, map(shutil.which, _browsers())), None)
    if program is None:
        yield Table("A slider in a browser", "Not measured: no Chromium was found.", (), ())
        return
    changed, painted = _measure(program)
    yield Table(
        title="A slider in a browser",
        about=(
            "Wall milliseconds from the key that moves the slider to the new picture, in "
            "JupyterLab and headless Chromium, both on this machine: the same panel as above, "
            "`SyncVsAsync` with two variants of 3,000 requests each. Goal: painted after "
            f"{GOAL} ms at most, in the median."
        ),
        columns=("from key press to", "wall ms", "moves", "goal (ms)"),
        rows=[
            ("picture changed", times(changed), changed.count, ""),
            ("picture painted", times(painted), painted.count, at_most(GOAL, painted.median)),
        ],
    )


def _browsers() -> list[str]:
    named = os.environ.get("CHROMIUM")
    return [named] if named else ["chromium", "chromium-browser", "google-chrome", "chrome"]


def _measure(program: str) -> tuple[Spread, Spread]:
    cell = nbformat.v4.new_code_cell("from bench.panel import example\n\nexample()")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    with tempfile.TemporaryDirectory() as own, tempfile.TemporaryDirectory() as root:
        nbformat.write(notebook, Path(root) / "panel.ipynb")
        with lab(Path(own), Path(root)) as server, chromium(program) as (page, trouble):
            page.goto(server.address("panel.ipynb"))
            run_all_cells(page)
            page.evaluate(WATCH)
            page.locator(SLIDER).focus()
            _press(page, "ArrowLeft")  # warms up
            moves = [_press(page, key) for key in _keys()]
    if trouble:
        raise RuntimeError(f"the page was in trouble: {trouble}")
    return Spread.of([move[0] for move in moves]), Spread.of([move[1] for move in moves])


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
