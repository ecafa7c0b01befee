"""Each exercise takes its notebook's solution for right, and knows typical wrong answers."""

import ast
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from simlib.present import exercise
from simlib.present.exercises import EXERCISES

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted({number.partition(".")[0] for number in EXERCISES})
SOLUTION = re.compile(r"<details>.*?```python\n(.*?)```.*?</details>", re.DOTALL)


def unwrapped(text: str) -> str:
    return " ".join(text.split())


def cells_of(notebook: str) -> list[Any]:
    (file,) = FOLDER.glob(f"{notebook}_*.ipynb")
    return list(nbformat.reads(file.read_text(encoding="utf-8"), as_version=4).cells)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_the_solutions_in_the_notebook_are_right(notebook: str) -> None:
    cells = cells_of(notebook)
    names: dict[str, Any] = {}
    for cell in cells:
        if cell.cell_type == "code":
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.Import | ast.ImportFrom):
                    exec(ast.unparse(node), names)
    start = next(at for at, cell in enumerate(cells) if cell.source.startswith("## Exercises"))
    found = [SOLUTION.search(cell.source) for cell in cells[start:]]
    solutions = [each[1] for each in found if each]
    numbers = [number for number in EXERCISES if number.startswith(f"{notebook}.")]
    for number, solution in zip(numbers, solutions, strict=True):
        exec(solution, names)
        assert exercise(number).check(names["answer"]).startswith("Right"), number


@pytest.mark.parametrize("number", EXERCISES)
def test_hints_are_given_for_the_wrong_answers_they_are_for(number: str) -> None:
    assert exercise(number).hints
    for hint, wrong in exercise(number).hints.items():
        assert unwrapped(exercise(number).check(wrong())) == f"Not quite. {hint}"


@pytest.mark.parametrize("number", EXERCISES)
def test_a_slip_of_the_unit_is_told(number: str) -> None:
    right = exercise(number).right()
    for factor in (1e3, 1e-3, 100, 0.01, 60, 1 / 60):
        said = unwrapped(exercise(number).check(right * factor))
        hinted = [wrong() for wrong in exercise(number).hints.values()]
        if not any(right * factor == pytest.approx(each, rel=0.05) for each in hinted):
            assert f"off by a factor of {max(factor, 1 / factor):,.0f}." in said


def test_an_unknown_number_is_answered_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no exercise '3'; there are 01\.1, 01\.2"):
        exercise("3")
