"""No number stands in a notebook that no cell has given.

A verdict's numbers are computed. A number in the prose is one of those that the code of the
notebook holds or its output shows, in the unit and to the digits in which the prose has it; and if
only a single run gave it, the paragraph says so.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from html import unescape
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LESSONS = [file for file in NOTEBOOKS if not file.name.startswith("00_")]

each_notebook = pytest.mark.parametrize("file", NOTEBOOKS, ids=[file.stem for file in NOTEBOOKS])
each_lesson = pytest.mark.parametrize("file", LESSONS, ids=[file.stem for file in LESSONS])

# Numbers that no cell gives, each with the reason.
KNOWN: dict[str, dict[str, str]] = {
    "00_start_here": {
        "5": "a position to which the reader moves the panel",
        "11": "another one",
        "95": "what 95 % confidence means",
    },
}

NUMBER = re.compile(r"(?<![\w.])(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(?: ?(ms|µs|%|min|h|KB|MB)(?!\w))?")
SCALES = {
    "ms": 1e3,
    "µs": 1e6,
    "%": 100.0,
    "min": 1 / 60,
    "h": 1 / 3600,
    "KB": 1e-3,
    "MB": 1e-6,
}
NUMBERS_OF = {"mean", "in_runs", "one_run", "by_theory", "measured"}
MANY_RUNS = {"replicate", "sweep", "compare", "snapshots", "intervals", "interval", "welch"}
SAYS_SO = re.compile(r"\b(?:one|this|that|single|these two|another) runs?\b", re.IGNORECASE)


class Given(NamedTuple):
    """A number that a cell gives."""

    value: float
    by_one_run: bool


def read(file: Path) -> Any:
    return nbformat.reads(file.read_text(encoding="utf-8"), as_version=4)


def section(file: Path, title: str) -> list[Any]:
    """The cells from the heading that begins with these words to the next of the same level."""
    cells = read(file).cells
    is_heading = re.compile(r"^## ", re.MULTILINE)
    starts = [n for n, cell in enumerate(cells) if re.search(rf"^## {title}", cell.source, re.M)]
    assert len(starts) == 1, f"{len(starts)} sections {title!r}"
    first, rest = cells[starts[0]], cells[starts[0] + 1 :]
    return [
        first,
        *takewhile(
            lambda cell: cell.cell_type == "code" or not is_heading.search(cell.source), rest
        ),
    ]


def prose(source: str) -> str:
    """The sentences: no code, formulas, addresses, references, solutions, numbers of items."""
    text = re.sub(r"^\*\*References\.\*\*.*", "", source, flags=re.MULTILINE | re.DOTALL)
    for taken_out in (
        r"<details>.*?</details>",
        r"```.*?```|``.*?``|`[^`]*`",
        r"\$\$.*?\$\$|\$[^$\n]+\$",
        r"\]\([^)]*\)|<[^>]+>|https?://\S+",
        r"^\s*\*{0,2}\d+\.\*{0,2}\s",  # a numbered item, an exercise
        r"^\| \d+ \|[^\n]*",  # a question or a claim in its table
        r"\b[A-Z]+/[A-Z]+/\w+(?:/\w+)?",  # the name of a queue, as M/M/1
        r"\((?:\d+[,;]? ?)+(?:; question[^)]*)?\)",  # numbers of claims
        r"\b[Qq]uestions? \d\d?|\b[Cc]hapters? \d+( to \d+)?|\b[Ss]ection [\d.]+",
        r"\b(?:1[89]|20)\d\d\b",  # years
    ):
        text = re.sub(taken_out, " ", text, flags=re.MULTILINE | re.DOTALL)
    return text


def outputs(cell: Any) -> str:
    """All text that a cell put out."""
    found = []
    for output in cell.outputs:
        found.append(output.get("text", ""))
        data = output.get("data", {})
        found += [data.get("text/plain", ""), data.get("text/markdown", "")]
        found.append(unescape(re.sub(r"<[^>]+>", " ", data.get("text/html", ""))))
    return "\n".join(found)


def numbers(text: str) -> Iterator[float]:
    for match in re.finditer(r"\d[\d,_]*(?:\.\d+)?(?:e[+-]?\d+)?", text):
        yield float(re.sub("[,_]", "", match[0]))


def names(cell: Any) -> tuple[set[str], set[str], set[str]]:
    """The names that a cell uses, those it gives a value, and the functions it calls."""
    tree = ast.parse(cell.source)
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    made = {
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    calls = {
        each.func.id if isinstance(each.func, ast.Name) else each.func.attr
        for each in ast.walk(tree)
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name | ast.Attribute)
    }
    return used, made, calls


@cache
def given(file: Path) -> list[Given]:
    """The numbers in the code and the text output of each cell."""
    found = []
    of_one_run: set[str] = set()
    for cell in read(file).cells:
        if cell.cell_type != "code":
            continue
        used, made, calls = names(cell)
        single = not calls & MANY_RUNS and ("run" in calls or bool(used & of_one_run))
        of_one_run = of_one_run | made if single else of_one_run - made
        found += [Given(value, False) for value in numbers(cell.source)]
        found += [Given(value, single) for value in numbers(outputs(cell))]
    return found


def fits(digits: str, decimals: str, unit: str | None, value: float) -> bool:
    """Whether a number of the prose is this value, rounded to its digits."""
    said = float(digits.replace(",", "") + decimals)
    bare = digits.replace(",", "")
    zeros = len(bare) - len(bare.rstrip("0")) if not decimals else 0
    places = len(decimals) - 1 if decimals else -min(zeros, max(0, len(bare) - 2))
    for scale in {1.0, SCALES.get(unit or "", 1.0)}:
        if abs(scale * value - said) <= 0.5000001 * 10.0**-places:
            return True
    return False


def paragraphs(file: Path) -> Iterator[str]:
    """The sentences of a notebook, without the exercises, whose numbers are made up."""
    sources = [cell.source for cell in read(file).cells if cell.cell_type == "markdown"]
    before, _, exercises = "\n\n".join(sources).partition("\n\n## Exercises\n")
    after = re.search(r"^## .*", exercises, re.MULTILINE | re.DOTALL)
    for part in (before, after[0] if after else ""):
        yield from re.split(r"\n\s*\n", prose(part))


@each_notebook
def test_each_number_of_the_prose_is_given_by_a_cell(file: Path) -> None:
    odd = []
    for paragraph in paragraphs(file):
        for digits, decimals, unit in NUMBER.findall(paragraph):
            sources = [g for g in given(file) if fits(digits, decimals, unit, g.value)]
            known = digits + decimals in KNOWN.get(file.stem, {})
            if not sources and not known:
                odd.append(f"{digits}{decimals} {unit}: no cell has it")
            elif sources and all(g.by_one_run for g in sources) and not SAYS_SO.search(paragraph):
                odd.append(f"{digits}{decimals} {unit}: of a single run, and it isn't said")
    assert not odd, "\n".join(odd)


@pytest.mark.parametrize("stem", KNOWN)
def test_known_numbers_are_in_the_prose(stem: str) -> None:
    text = "\n".join(paragraphs(FOLDER / f"{stem}.ipynb"))
    for number in KNOWN[stem]:
        assert re.search(rf"(?<![\d.,]){re.escape(number)}(?![\d,])", text), number


@each_lesson
def test_verdicts_are_computed(file: Path) -> None:
    cells = section(file, "Verdict")
    computed = [cell for cell in cells if cell.cell_type == "code" and "verdict(" in cell.source]
    assert computed
    for cell in cells:
        if cell.cell_type == "markdown":
            assert not re.search(r"\d", prose(cell.source)), cell.source
        else:
            assert cell.metadata.get("jupyter", {}).get("source_hidden"), cell.source
    for cell in computed:
        assert any("text/markdown" in output.get("data", {}) for output in cell.outputs)
        for call in ast.walk(ast.parse(cell.source)):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in NUMBERS_OF:
                parts = list(ast.walk(call.args[0]))
                assert any(isinstance(part, ast.Name) for part in parts), ast.unparse(call)


@each_lesson
def test_each_claim_on_trial_gets_a_verdict(file: Path) -> None:
    (claims,) = [c.source for c in read(file).cells if "## The claims on trial" in c.source]
    listed = re.findall(r"^- (.+)$", claims.partition("## The claims on trial")[2], re.MULTILINE)
    judged = [
        call.args[0].value
        for cell in section(file, "Verdict")
        if cell.cell_type == "code"
        for call in ast.walk(ast.parse(cell.source))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "verdict"
        if isinstance(call.args[0], ast.Constant)
    ]
    assert judged == [re.sub(r"; question.*?\)", ")", each) for each in listed]


def test_the_first_page_lists_the_claims_and_where_each_is_tried() -> None:
    (claims,) = [c.source for c in read(NOTEBOOKS[0]).cells if c.source.startswith("## The claims")]
    listed = {
        (number, claim): tried
        for number, claim, tried in re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \|$", claims, re.M)
    }
    for file in LESSONS:
        (on_trial,) = [c.source for c in read(file).cells if "## The claims on trial" in c.source]
        for claim, number in re.findall(r"^- (.+) \((\d+)\)$", on_trial, re.MULTILINE):
            assert file.stem[:2] in listed[number, claim]
