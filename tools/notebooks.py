"""Execute the notebooks again and save them in place, so that a second time changes no byte.

    python -m tools.notebooks [--refresh] [notebooks/01_sync_or_async.ipynb ...]

What differs from run to run for no reason of the learner's is left out or given a fixed form:
times of execution, states and random names of widgets, the version of Python, paths of this
machine. Cells tagged `nbval-ignore-output` show measured times, new ones on every run; they are
executed, but keep the output they have until their source changes or `--refresh` asks for it.

A notebook that fails is left as it was.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

ROOT = Path(__file__).resolve().parents[1]
MEASURED = "nbval-ignore-output"
WIDGET = "application/vnd.jupyter.widget-view+json"
CELL_TIMEOUT = 180  # seconds; the tests allow a cell as much

# What JupyterLab would write too, without the version of Python.
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}


class NotebookError(Exception):
    """A notebook could not be read or executed; the message says which cell, and why."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.notebooks",
        description="Execute notebooks again and save them in place, reproducibly.",
    )
    parser.add_argument(
        "files", nargs="*", type=Path, help="notebooks; without any, all of notebooks/"
    )
    parser.add_argument(
        "--refresh", action="store_true", help=f"new output for cells tagged {MEASURED}, too"
    )
    options = parser.parse_args(arguments)
    files = options.files or sorted((ROOT / "notebooks").glob("*.ipynb"))
    if not files:
        parser.error("there is no notebook in notebooks/")

    failed = 0
    for file in files:
        started = time.monotonic()
        try:
            outcome = "changed" if execute(file, refresh=options.refresh) else "unchanged"
        except NotebookError as error:
            failed += 1
            outcome = "FAILED"
            print(f"{file.name}: {error}", file=sys.stderr)
        print(f"{file.name:<40} {outcome:<10} {time.monotonic() - started:5.1f} s", flush=True)
    return 1 if failed else 0


def execute(file: Path, *, refresh: bool = False) -> bool:
    """Execute one notebook and save it; tell whether that changed the file."""
    before = _read(file)
    notebook = _parse(before)
    kept = {} if refresh else {cell.id: cell.outputs for cell in _measured(notebook)}

    _run(notebook, file.resolve().parent)

    for cell in _code(notebook):
        cell.outputs = kept.get(cell.id, cell.outputs)
        _settle(cell)
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
    after: bytes = (nbformat.writes(notebook).rstrip("\n") + "\n").encode()
    if after != before:
        _replace(file, after)
    return after != before


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise NotebookError(f"can't be read: {error.strerror}") from error


def _parse(content: bytes) -> Any:
    """The notebook, in which each cell has a name of its own.

    A cell without one gets it from its content; nbformat would choose at random.
    """
    try:
        raw = json.loads(content)
        names = set()
        for position, cell in enumerate(raw["cells"]):
            if cell.get("id") is None or cell["id"] in names:
                cell["id"] = _digest(f"{position}:{''.join(cell['source'])}")[:8]
            names.add(cell["id"])
        raw["nbformat_minor"] = 5  # the first version with names
        notebook = nbformat.reads(json.dumps(raw), as_version=4)
        nbformat.validate(notebook)
    except (ValueError, KeyError, TypeError, nbformat.ValidationError) as error:
        raise NotebookError(f"is no notebook: {error}") from error
    return notebook


def _measured(notebook: Any) -> Iterator[Any]:
    """The cells whose saved output is still that of their source."""
    for cell in _code(notebook):
        if cell.execution_count and cell.metadata.get("output_of") == _digest(cell.source):
            yield cell


def _run(notebook: Any, folder: Path) -> None:
    where = "the start"

    def note(cell: Any, cell_index: int) -> None:
        nonlocal where
        where = f"cell {cell_index} ({cell.id})\n{indent(cell.source, '  | ')}\n "

    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name=KERNEL["name"],
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,  # else their number depends on when the kernel flushes
        on_cell_execute=note,
    )
    with tempfile.TemporaryDirectory() as profile:
        # Nobody's own start-up files and settings.
        environment = {**os.environ, "IPYTHONDIR": profile}
        environment.pop("MPLBACKEND", None)
        try:
            client.execute(env=environment)
        except CellExecutionError as error:
            raise NotebookError(f"{where} failed: {error.ename}: {error.evalue}") from error
        except CellTimeoutError as error:
            raise NotebookError(f"{where} took more than {CELL_TIMEOUT} seconds") from error
        except DeadKernelError as error:
            raise NotebookError(f"{where} ended the kernel") from error


def _settle(cell: Any) -> None:
    """Give what is random or of this machine a fixed form."""
    for name in ("execution", "ExecuteTime", "trusted"):
        cell.metadata.pop(name, None)
    if MEASURED in cell.metadata.get("tags", ()):
        cell.metadata["output_of"] = _digest(cell.source)
    else:
        cell.metadata.pop("output_of", None)

    for number, output in enumerate(cell.outputs):
        if output.output_type == "execute_result":
            output.execution_count = cell.execution_count
        view = output.get("data", {}).get(WIDGET)
        if view:
            view["model_id"] = _digest(f"{cell.id}:{number}")
        if output.output_type == "error":
            output.traceback = [_portable(line) for line in output.traceback]


def _portable(line: str) -> str:
    """A traceback's line with paths as seen from the repository, and without addresses."""
    for root in (str(ROOT), str(ROOT).replace(str(Path.home()), "~", 1)):
        line = line.replace(root + os.sep, "")
    return re.sub(r"\bat 0x[0-9a-fA-F]+", "at 0x…", line)


def _code(notebook: Any) -> Iterator[Any]:
    return (cell for cell in notebook.cells if cell.cell_type == "code")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _replace(file: Path, content: bytes) -> None:
    """Replace the file in one step, so that a crash leaves the old one or the new one."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        new.chmod(file.stat().st_mode)
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    sys.exit(main())
