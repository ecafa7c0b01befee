"""Each exercise takes its own solution for right, and knows the typical wrong answers."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"


def exercises() -> Iterator[Any]:
    for file in sorted(FOLDER.glob("*.ipynb")):
        cells = nbformat.reads(file.read_text(encoding="utf-8"), as_version=4).cells
        imports = [
            ast.unparse(node)
            for cell in cells
            if cell.cell_type == "code"
            for node in ast.parse(cell.source).body
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        for cell, after in pairwise(cells):
            if "Exercise(" in cell.source:
                yield pytest.param("\n".join(imports), cell, after, id=f"{file.stem}-{cell.id}")


@pytest.mark.parametrize(("imports", "cell", "after"), list(exercises()))
def test_solution_is_right_and_hints_are_given(
    imports: str, cell: Any, after: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    solution = re.search(r"<details>.*?```python\n(.*?)```.*?</details>", after.source, re.DOTALL)
    assert solution, f"no hidden solution after {cell.id}"
    names: dict[str, Any] = {}
    exec(imports, names)
    exec(cell.source, names)
    assert "No answer yet" in capsys.readouterr().out
    exec(solution[1], names)
    exec(cell.source.replace("answer = ...", ""), names)
    assert capsys.readouterr().out.startswith("Right")
    (exercise,) = [each for each in names.values() if type(each).__name__ == "Exercise"]
    assert exercise.hints
    for hint, wrong in exercise.hints.items():
        assert exercise.check(wrong()) == f"Not quite. {hint}"


def test_there_are_exercises() -> None:
    assert len(list(exercises())) >= 3
