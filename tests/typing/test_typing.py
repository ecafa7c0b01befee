"""What a type checker says to those who use the library: mypy without plugins, and pyright."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from mypy import api

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DOCUMENTS = ("README.md", "data/README.md", "CONTRIBUTING.md")

Found = set[tuple[str, int]]
"""The mistakes, by the name of the file and the line."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What is checked, in a directory that knows nothing of this project's settings."""
    place = tmp_path_factory.mktemp("typing")
    for name in DOCUMENTS:
        text = (ROOT / name).read_text("utf-8")
        examples = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
        assert examples
        # The blocks of a document go on where the one before ended.
        future = "from __future__ import annotations\n"
        whole = "".join(examples)
        start = future if future in whole else ""
        file = place / f"{name.replace('/', '_').removesuffix('.md')}.py"
        file.write_text(start + whole.replace(future, ""), "utf-8")
    for name in ("constructors.py", "wrong.py"):
        (place / name).write_text((HERE / name).read_text("utf-8"), "utf-8")
    (place / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}', "utf-8")
    return sorted(place.glob("*.py"))


def expected() -> Found:
    lines = (HERE / "wrong.py").read_text("utf-8").splitlines()
    return {("wrong.py", number) for number, line in enumerate(lines, 1) if "  # " in line}


def found_by_mypy(files: list[Path]) -> tuple[Found, str]:
    options = ["--config-file=", f"--cache-dir={ROOT / '.mypy_cache'}", "--no-error-summary"]
    # As in an editor: packages without types are nobody's mistake.
    said, complaint, _ = api.run([*options, "--ignore-missing-imports", *map(str, files)])
    assert not complaint
    places = re.findall(r"^.*?([\w.]+\.py):(\d+): error", said, re.M)
    return {(name, int(line)) for name, line in places}, said


def found_by_pyright(files: list[Path], program: Path) -> tuple[Found, str]:
    run = subprocess.run(
        [program, "--outputjson", "--pythonpath", sys.executable, "--project", files[0].parent],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    wrong = [
        each for each in json.loads(run.stdout)["generalDiagnostics"] if each["severity"] == "error"
    ]
    places = {(Path(each["file"]).name, each["range"]["start"]["line"] + 1) for each in wrong}
    return places, "\n".join(f"{each['file']}: {each['message']}" for each in wrong)


@pytest.mark.slow
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_only_the_mistakes_are_found(
    checker: str, files: list[Path], missing: Callable[[str, str], NoReturn]
) -> None:
    if checker == "mypy":
        found, said = found_by_mypy(files)
    else:
        program = Path(sys.executable).with_name("basedpyright")
        if not program.exists():
            missing("basedpyright", "pip install basedpyright")
        found, said = found_by_pyright(files, program)
    differing = found ^ expected()
    assert not differing, f"{sorted(differing)}\n{said}"


@pytest.mark.filterwarnings("ignore::simlib.analysis.DoubtWarning")
def test_what_is_well_typed_runs() -> None:
    runpy.run_path(str(HERE / "constructors.py"))
