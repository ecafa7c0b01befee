"""tools.notebooks: the same bytes twice, and no file spoiled by a failure."""

from pathlib import Path
from typing import Any

import nbformat
import pytest

from tools.notebooks import MEASURED, WIDGET, main


def write(file: Path, *sources: str, measured: int | None = None) -> Path:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    if measured is not None:
        cells[measured].metadata.tags = [MEASURED]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), file)
    return file


def cells(file: Path) -> list[Any]:
    found: list[Any] = nbformat.read(file, as_version=4).cells
    return found


def test_second_run_changes_nothing(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.ipynb",
        "import time, ipywidgets\nipywidgets.IntSlider()",
        "# the time it is, which nobody can foresee\ntime.time_ns()",
        "for i in range(3):\n    print(i, flush=True)",
        measured=1,
    )
    assert main([str(file)]) == 0
    once = file.read_bytes()
    slider, clock, lines = cells(file)
    assert [each.execution_count for each in (slider, clock, lines)] == [1, 2, 3]
    assert WIDGET in slider.outputs[0].data
    assert lines.outputs[0].text == "0\n1\n2\n"
    assert "widgets" not in nbformat.read(file, as_version=4).metadata

    assert main([str(file)]) == 0
    assert file.read_bytes() == once

    assert main(["--refresh", str(file)]) == 0
    assert cells(file)[1].outputs != clock.outputs


def test_changed_source_gets_new_output(tmp_path: Path) -> None:
    file = write(tmp_path / "a.ipynb", "1  # as if measured", measured=0)
    main([str(file)])
    file.write_text(file.read_text().replace("1  #", "2  #"))
    main([str(file)])
    assert cells(file)[0].outputs[0].data["text/plain"] == "2"


def test_failing_notebook_is_left_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "a.ipynb", "1", "1 / 0")
    before = file.read_bytes()
    assert main([str(file)]) == 1
    assert file.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.ipynb"]
    message = capsys.readouterr().err
    assert "a.ipynb: cell 1 (" in message
    assert "ZeroDivisionError: division by zero" in message


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "can't be read"), ("[]", "is no notebook")]
)
def test_what_is_no_notebook(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, complaint: str
) -> None:
    file = tmp_path / "a.ipynb"
    if content is not None:
        file.write_text(content)
    assert main([str(file)]) == 1
    assert complaint in capsys.readouterr().err
