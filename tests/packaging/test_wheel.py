"""What somebody has who installs simlib without anything else."""

import subprocess
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]

PROGRAM = """
from simlib.broker import Broker
from simlib.queues import FileQueue, MemoryQueue, SQLiteQueue

for queue in (MemoryQueue(), FileQueue("orders"), SQLiteQueue("orders.db")):
    with queue:
        queue.put(b"order 17")
        message = queue.get(timeout=1.0)
        queue.ack(message)
        print(message.body.decode(), queue.qsize())
broker = Broker()
broker.declare_queue("billing")
print(broker.publish("", "billing", b"order 17"), broker.get("billing").body.decode())
import simlib
print(simlib.__version__)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the wheel, and with nothing else."""
    place = tmp_path_factory.mktemp("wheel")
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(place), versions=["standard"])
    venv.create(place / "venv", with_pip=False)
    (program,) = [*(place / "venv").glob("bin/python"), *place.glob("venv/Scripts/python.exe")]
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = ran(program, code, place).stdout.strip()
    with ZipFile(wheel) as unpacked:  # which is all that there is to installing pure Python
        unpacked.extractall(packages)
    return program


def ran(python: Path, code: str, place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-I", "-c", code],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_queues_and_broker_work_without_anything_else(python: Path, tmp_path: Path) -> None:
    run = ran(python, PROGRAM, tmp_path)
    assert run.stderr == ""
    *lines, version = run.stdout.splitlines()
    assert lines == ["order 17 0"] * 3 + ["['billing'] order 17"]
    assert version in (ROOT / "pyproject.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("code", "needs"),
    [
        ("from simlib import Exponential", 'pip install "simlib[sim]"'),
        ("import simlib.scenarios", 'pip install "simlib[sim]"'),
        ("import simlib.theory", 'pip install "simlib[sim]"'),
        ("import simlib.present", 'pip install "simlib[sim]"'),
        ("from simlib.queues import *; PostgresQueue('dbname=shop', 'x')", "simlib[live]"),
    ],
)
def test_what_is_missing_is_said_by_the_name_of_the_extra(
    python: Path, tmp_path: Path, code: str, needs: str
) -> None:
    run = ran(python, code, tmp_path)
    assert needs in run.stderr.splitlines()[-1]


def test_a_name_that_is_not_there_is_no_missing_package(python: Path, tmp_path: Path) -> None:
    run = ran(python, "import simlib; simlib.Exponentiel", tmp_path)
    assert "AttributeError: module 'simlib' has no attribute 'Exponentiel'" in run.stderr
