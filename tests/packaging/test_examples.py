"""Each example runs as it stands, and prints what the file beside it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)


@each_example
def test_an_example_prints_what_it_says(example: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", example],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert run.stderr == ""
    assert run.stdout == example.with_suffix(".out").read_text("utf-8")


@each_example
def test_an_example_is_short(example: Path) -> None:
    assert 20 <= len(example.read_text("utf-8").splitlines()) <= 40


def test_the_list_of_examples_is_complete() -> None:
    listed = re.findall(r"\]\((\w+\.py)\)", (FOLDER / "README.md").read_text("utf-8"))
    assert listed == [example.name for example in EXAMPLES]
    assert {path.stem for path in FOLDER.glob("*.out")} == {path.stem for path in EXAMPLES}
