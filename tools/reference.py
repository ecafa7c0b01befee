"""Builds the reference: what the rooms of simlib offer, from their docstrings, and all documents.

``python -m tools.reference`` writes HTML into build/docs that reads offline: a page for each
module, a page for each document, and an index of both.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import pkgutil
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pdoc.doc
import pdoc.render
from pdoc.render_helpers import to_html

import simlib
from simlib.scenarios.base import WIDEST as FIGURES
from simlib.scenarios.base import Scenario
from simlib.values import Value
from simlib.values.tables import Row, parameter_rows, text_table

ROOT = Path(__file__).parents[1]

ROOMS = ("simlib", *(f"simlib.{m.name}" for m in pkgutil.iter_modules(simlib.__path__) if m.ispkg))

BESIDE = (
    *("simlib.costs", "simlib.processes.environment", "simlib.processes.draws"),
    *("simlib.queues.errors", "simlib.queues.kinds", "simlib.queues.crash"),
    *("simlib.queues.file.records", "simlib.queues.file.mark", "simlib.queues.postgres.statements"),
    *("simlib.queues.sqlite.schema", "simlib.queues.sqlite.owners"),
    *("simlib.broker.errors", "simlib.broker.options"),
    *("simlib.calls.errors", "simlib.calls.sample", "simlib.calls.tasks"),
    *("simlib.live.http.client", "simlib.live.http.policies", "simlib.live.http.proxy"),
    *("simlib.live.http.server", "simlib.live.http.wrapped"),
    *("simlib.live.measure", "simlib.live.survival", "simlib.live.threads"),
    *("simlib.live.live_run", "simlib.live.open_loop", "simlib.live.prediction"),
    *("simlib.live.target", "simlib.live.targets.queues", "simlib.live.targets.postgres"),
    *("simlib.live.targets.rabbitmq", "simlib.live.targets.http", "simlib.live.events"),
)
"""Modules with a page of their own, beside the rooms: formats, trees of errors, what is run."""

DOCUMENTS = ("*.md", "bench/*.md", "data/*.md", "docs/**/*.md", "examples/*.md")


def build(target: Path, modules: Iterable[str] = (*ROOMS, *BESIDE)) -> None:
    """Write the pages.

    Parameters
    ----------
    target : Path
        Where to; made if it isn't there.
    modules : names
        Which modules have a page.
    """
    pdoc.render.configure(
        docformat="numpy", show_source=False, template_directory=ROOT / "tools/templates"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Types are for type checkers, and here for people to read: pdoc evaluates them, and shows
        # them as they are written where that fails, as that of array[float] does before 3.12.
        warnings.filterwarnings("ignore", "Error parsing type annotation")
        pages = {name: pdoc.doc.Module(_whole(name)) for name in modules}
        with _tables_as_markdown():
            for name, page in pages.items():
                html = pdoc.render.html_module(page, pages)
                _write(target / f"{name.replace('.', '/')}.html", html)
        _write(target / "search.js", pdoc.render.search_index(pages))
    documents = [path for pattern in DOCUMENTS for path in sorted(ROOT.glob(pattern))]
    for document in documents:
        _write_document(target, document, documents, pages)
    _write_index(target, documents, pages)


def _whole(name: str) -> ModuleType:
    """A module with all that it offers, also what it loads when it is first asked for."""
    module = importlib.import_module(name)
    for each in getattr(module, "__all__", ()):
        vars(module).setdefault(each, getattr(module, each))
    return module


def _write(file: Path, html: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(html, encoding="utf-8")


@contextmanager
def _tables_as_markdown() -> Iterator[None]:
    """While it lasts, the tables in the docstrings of values are tables for a browser, too."""
    before = {kind: kind.__doc__ for kind in _all(Value)}
    try:
        for kind, said in before.items():
            kind.__doc__ = _with_markdown(kind, inspect.cleandoc(said or ""))
        yield
    finally:
        for kind, said in before.items():
            kind.__doc__ = said


def _all(kind: type[Value]) -> Iterator[type[Value]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _all(each)


def _with_markdown(kind: type[Value], said: str) -> str:
    rows = parameter_rows(kind)
    said = said.replace(
        f"Parameters\n----------\n{text_table(rows)}", _markdown("Parameters", rows)
    )
    if issubclass(kind, Scenario):
        rows = [(name, figure.unit, figure.label) for name, figure in kind.figures.items()]
        rows = [("figure", "unit", "what it is"), *rows]
        said = said.replace(
            f"Figures\n-------\n{text_table(rows, FIGURES)}", _markdown("Figures", rows)
        )
    return said


def _markdown(title: str, rows: list[Row]) -> str:
    header, *others = rows
    lines = [header, ["---"] * len(header), *others]
    return f"**{title}**\n\n" + "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|").replace("<", "&lt;") for cell in line) + " |"
        for line in lines
    )


def _page_of(document: Path) -> Path:
    """Where a document's page is, from the folder of the pages."""
    return document.relative_to(ROOT).with_suffix(".html")


def _write_document(
    target: Path, document: Path, documents: list[Path], modules: Iterable[str]
) -> None:
    page = target / _page_of(document)

    def lead(match: re.Match[str]) -> str:
        path, _, heading = match[1].partition("#")
        linked = (document.parent / path).resolve()
        module = ".".join(linked.relative_to(ROOT).with_suffix("").parts)
        if not path:
            goal = page
        elif linked in documents:
            goal = target / _page_of(linked)
        elif module in modules:
            goal = target / f"{module.replace('.', '/')}.html"
        else:
            goal = linked
        there = os.path.relpath(goal, page.parent).replace(os.sep, "/") if path else ""
        return f"]({there}{'#' if heading else ''}{heading})"

    text = re.sub(r"\]\((?!https?://)([^)]+)\)", lead, document.read_text("utf-8"))
    _write_page(page, str(document.relative_to(ROOT)), text, os.path.relpath(target, page.parent))


def _write_index(target: Path, documents: list[Path], modules: dict[str, pdoc.doc.Module]) -> None:
    lines = ["# simlib", "", "## Documents", ""]
    for document in documents:
        title = document.read_text("utf-8").partition("\n")[0].removeprefix("# ")
        place = document.relative_to(ROOT).as_posix()
        lines.append(f"- [{title}]({_page_of(document).as_posix()}), `{place}`")
    lines += ["", "## Reference", ""]
    for name, module in sorted(modules.items()):
        said = inspect.cleandoc(module.docstring).partition("\n\n")[0].replace("\n", " ")
        lines.append(f"- [`{name}`]({name.replace('.', '/')}.html): {said}")
    _write_page(target / "index.html", "simlib", "\n".join(lines), ".")


def _write_page(page: Path, title: str, text: str, home: str) -> None:
    html = to_html(text)
    template = pdoc.render.env.get_template("page.html.jinja2")
    contents: str = getattr(html, "toc_html", None) or ""
    _write(
        page, template.render(title=title, text=html, contents=contents, home=f"{home}/index.html")
    )


def main() -> None:
    """Build all, and say where."""
    parser = argparse.ArgumentParser(prog="python -m tools.reference", description=__doc__)
    parser.add_argument("--to", type=Path, default=ROOT / "build/docs", help="where to")
    target: Path = parser.parse_args().to
    build(target)
    print(f"open {target / 'index.html'}")


if __name__ == "__main__":
    main()
