"""Every notebook is complete, saved with its outputs, and readable by everyone.

That the outputs are true is not checked here but by nbval, which runs the notebooks; it passes
over cells that were never executed and over pictures, so those are looked at here.
"""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LESSONS = [file for file in NOTEBOOKS if not file.name.startswith("00_")]

LONGEST_CELL = 15  # lines
MEASURED = "nbval-ignore-output"

each_notebook = pytest.mark.parametrize("file", NOTEBOOKS, ids=[file.stem for file in NOTEBOOKS])
each_lesson = pytest.mark.parametrize("file", LESSONS, ids=[file.stem for file in LESSONS])


def test_the_first_notebooks_exist() -> None:
    names = {file.name for file in NOTEBOOKS}
    assert {"00_start_here.ipynb", "01_sync_or_async.ipynb"} <= names


def read(file: Path) -> Any:
    return nbformat.reads(file.read_text(encoding="utf-8"), as_version=4)


def code(file: Path) -> list[Any]:
    return [cell for cell in read(file).cells if cell.cell_type == "code"]


def tags(cell: Any) -> list[str]:
    found: list[str] = cell.metadata.get("tags", [])
    return found


def headings(file: Path) -> Iterator[tuple[int, str]]:
    """Level and words of each heading."""
    for cell in read(file).cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"^```.*?^```", "", cell.source, flags=re.MULTILINE | re.DOTALL)
            for marks, words in re.findall(r"^(#{1,6})\s+(.+?)\s*#*$", prose, re.MULTILINE):
                yield len(marks), words


def texts(output: Any) -> Iterator[str]:
    """All a reader may see of an output, except pictures."""
    yield output.get("text", "")
    yield from output.get("traceback", ())
    for kind, content in output.get("data", {}).items():
        if kind.startswith("text/"):
            yield content


class Pictures(HTMLParser):
    """The alt text of each <img> in a piece of HTML or Markdown."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.alts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.alts.append(dict(attrs).get("alt") or "")


@each_notebook
def test_is_valid(file: Path) -> None:
    nbformat.validate(read(file))


@each_notebook
def test_every_cell_was_executed_in_order(file: Path) -> None:
    counts = [cell.execution_count for cell in code(file) if cell.source.strip()]
    assert counts == list(range(1, len(counts) + 1)), "make notebooks"


@each_notebook
def test_no_cell_failed_or_warned(file: Path) -> None:
    for cell in code(file):
        for output in cell.outputs:
            if output.output_type == "error":
                assert "raises-exception" in tags(cell), f"{output.ename} in:\n{cell.source}"
            if output.get("name") == "stderr":
                assert MEASURED in tags(cell), f"{output.text}\nfrom:\n{cell.source}"


@each_notebook
def test_cells_are_short(file: Path) -> None:
    long = [cell.source for cell in code(file) if len(cell.source.splitlines()) > LONGEST_CELL]
    assert not long


@each_notebook
def test_few_cells_are_exempt_from_comparison_and_each_says_why(file: Path) -> None:
    exempt = [cell for cell in code(file) if MEASURED in tags(cell)]
    assert len(exempt) <= len(code(file)) / 4
    for cell in exempt:
        assert re.search(r"#\s*\S+\s+\S+", cell.source), (
            f"no comment gives a reason:\n{cell.source}"
        )


@each_notebook
def test_uses_the_installed_simlib(file: Path) -> None:
    cells = code(file)
    assert re.search(r"^(from|import) simlib\b", cells[0].source, re.MULTILINE)
    for cell in cells:
        assert "sys.path" not in cell.source
        assert not re.search(r"^[%!]\s*(cd|run|pip|conda)\b", cell.source, re.MULTILINE)


@each_notebook
def test_carries_no_state(file: Path) -> None:
    metadata = read(file).metadata
    assert "widgets" not in metadata, "widget state; make notebooks leaves it out"
    assert metadata.kernelspec.name == "python3"
    assert "version" not in metadata.language_info, "make notebooks leaves it out"


@each_notebook
def test_shows_no_path_or_address_of_a_machine(file: Path) -> None:
    for cell in code(file):
        for output in cell.outputs:
            for text in texts(output):
                assert not re.search(r"/(home|root|tmp|Users|work)/|\b[A-Z]:\\", text), text
                assert not re.search(r"\bat 0x[0-9a-fA-F]{6}", text), text


@each_notebook
def test_every_picture_has_words(file: Path) -> None:
    for cell in read(file).cells:
        if cell.cell_type == "markdown":
            assert all(alt.strip() for alt in Pictures(cell.source).alts), cell.source
            assert not re.search(r"!\[\s*\]", cell.source), cell.source
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            in_html = Pictures(data.get("text/html", "")).alts
            assert all(alt.strip() for alt in in_html), f"<img> without alt, from:\n{cell.source}"
            for kind in data:
                if kind.startswith("image/"):
                    about = output.metadata.get(kind, {}).get("alt") or output.metadata.get("alt")
                    assert about or in_html, f"{kind} without alt text, from:\n{cell.source}"


@each_notebook
def test_pictures_are_described_in_the_words_of_their_axes(file: Path) -> None:
    for cell in code(file):
        calls = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
        names = [ast.unparse(call.func).rpartition(".")[2] for call in calls]
        if "figures_over" in names:
            assert not {"set_xlabel", "set_ylabel"} & set(names), cell.source
            for name, call in zip(names, calls, strict=True):
                given = {keyword.arg for keyword in call.keywords}
                assert name == "figures_over" or not {"xlabel", "ylabel"} & given, cell.source


@each_lesson
def test_asks_one_question(file: Path) -> None:
    titles = [words for level, words in headings(file) if level == 1]
    assert len(titles) == 1
    assert titles[0].endswith("?")


@each_lesson
@pytest.mark.parametrize("part", ["Claim", "Predict", "Verdict", "Exercises", "Recap"])
def test_has_each_part(file: Path, part: str) -> None:
    found = [words for level, words in headings(file) if level > 1]
    assert any(re.search(rf"\b{part}", words, re.IGNORECASE) for words in found), found
