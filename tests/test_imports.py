"""Imports run one way: a room knows those below it, and nothing of those above."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import simlib

ROOT = Path(simlib.__file__).parent

# What each room may import of simlib, from the bottom up. A new room needs a line here. What is
# imported only for type checkers counts as well.
ROOMS: dict[str, set[str]] = {
    "extras": set(),
    "values": set(),
    "theory": set(),
    "costs": {"values", "queues"},
    "distributions": {"values"},
    "queues": set(),
    "broker": {"queues"},
    "calls": set(),
    "stores": set(),
    "resilience": set(),
    "tracing": set(),
    "processes": {
        *("values", "broker", "calls", "resilience", "stores", "queues", "distributions"),
    },
    "analysis": {
        *("values", "processes", "queues", "broker", "distributions", "theory", "tracing"),
    },
    "scenarios": {
        *("values", "analysis", "processes", "queues", "broker", "distributions"),
        *("theory", "costs", "stores", "calls", "resilience", "tracing"),
    },
    "live": {
        *("values", "queues", "broker", "distributions", "analysis", "theory", "costs"),
        *("calls", "resilience", "tracing", "processes", "scenarios"),
    },
    "present": {
        *("values", "scenarios", "analysis", "processes", "broker", "distributions", "theory"),
        *("live", "costs", "tracing"),
    },
    # The command line makes any scenario, runs it and says what came of it; and measures.
    "__main__": {"values", "distributions", "processes", "scenarios", "analysis", "live"},
    # It names what is in the rooms, and loads it when it is asked for.
    "": {"distributions", "processes", "values"},
}

# Within a room that has rooms of its own: what each of those may import of the same room, beside
# the modules that stand in the room itself. These import none of them but where it is said.
SUBROOMS: dict[str, dict[str, set[str]]] = {
    "processes": {
        "point_to_point": set(),
        "publish_subscribe": set(),
        "calls": {"point_to_point"},
        "events": {"calls", "point_to_point", "publish_subscribe"},
        "consistency": {"publish_subscribe", "point_to_point"},
    },
    "queues": {"file": set(), "postgres": set(), "sqlite": set()},
    "live": {"http": set(), "rabbit": set(), "targets": {"http"}},
}

# The only modules of such a room that know its inner rooms.
ABOVE_THEIR_SUBROOMS = {
    "simlib.processes",
    "simlib.queues",
    "simlib.queues.recover",  # repairs a queue of any kind
    "simlib.queues.crash",  # kills a queue of any kind
    "simlib.live.cases",  # names what is measured, through targets of any kind
    "simlib.live.crew",  # clears up what a killed run has left in a server
}

# Who may import what comes from outside.
OWNERS: dict[str, set[str]] = {
    "matplotlib": {"present"},
    "ipywidgets": {"present"},
    "IPython": {"present"},
    "simpy": {"processes", "scenarios"},
    "pika": {"live"},
    "flask": {"live"},
    "waitress": {"live"},
    "werkzeug": {"live"},  # what Flask stands on
    "requests": {"live"},
    "urllib3": {"live"},  # what requests stands on
    "strawberry": {"live"},
    "graphql": {"calls"},  # Parser and executor; lazily, when the first query comes.
    "psycopg": {"live", "queues"},  # A real server is a queue, too; lazily, as all of these.
}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def _room(module: str) -> str:
    return [*module.split("."), ""][1]


def _subroom(module: str) -> str:
    """The inner room that a module is in or is; empty if it stands in the room itself."""
    inner = [*module.split("."), "", ""][2]
    return inner if inner in SUBROOMS.get(_room(module), {}) else ""


def _statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import under a node, those inside functions and those for types only, too."""
    for child in ast.walk(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child


def _imported(source: str, module: str, is_package: bool) -> set[str]:
    """Full names of what a module imports; for ``from x import y`` both x and x.y."""
    found = set()
    for statement in _statements(ast.parse(source)):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
            continue
        base = statement.module or ""
        if statement.level:
            parts = module.split(".")
            up = statement.level - is_package
            base = ".".join([*parts[: len(parts) - up], *filter(None, [base])])
        found.add(base)
        found |= {f"{base}.{alias.name}" for alias in statement.names}
    return found


IMPORTS = {
    module: _imported(path.read_text(encoding="utf-8"), module, path.name == "__init__.py")
    for module, path in MODULES.items()
}


def test_every_room_is_known() -> None:
    assert len(MODULES) > 10
    assert {_room(module) for module in MODULES} <= ROOMS.keys()


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_only_rooms_below_it(module: str) -> None:
    rooms = {_room(name) for name in IMPORTS[module] if name.split(".")[0] == "simlib"} - {""}
    allowed = ROOMS[_room(module)] | {_room(module), "extras"}
    # ``from simlib import Exponential`` names no room; inside the library nothing does that.
    names = {name for name in rooms if f"simlib.{name}" in MODULES}
    assert rooms == names, "imports from the top of the library, which knows every room"
    assert rooms <= allowed


@pytest.mark.parametrize("module", [name for name in MODULES if _room(name) in SUBROOMS])
def test_an_inner_room_imports_only_those_below_it(module: str) -> None:
    if module in ABOVE_THEIR_SUBROOMS:
        return
    room, own = _room(module), _subroom(module)
    known = {_subroom(name) for name in IMPORTS[module] if _room(name) == room} - {""}
    assert known <= SUBROOMS[room].get(own, set()) | ({own} - {""})


def test_every_inner_room_is_known() -> None:
    for room, inner in SUBROOMS.items():
        assert {path.parent.name for path in (ROOT / room).glob("*/__init__.py")} <= inner.keys()


@pytest.mark.parametrize("module", MODULES)
def test_what_comes_from_outside_is_imported_only_by_its_room(module: str) -> None:
    for name in {name.split(".")[0] for name in IMPORTS[module]}:
        assert _room(module) in OWNERS.get(name, {_room(module)}), name


@pytest.mark.parametrize(
    "below", ["theory", "costs", "queues", "distributions", "broker", "stores"]
)
def test_the_lowest_rooms_know_nothing_of_simulation(below: str) -> None:
    above = {"broker", "processes", "scenarios", "analysis", "present", "live"} - {below}
    for module in (module for module in MODULES if _room(module) == below):
        names = IMPORTS[module]
        assert not {_room(name) for name in names if name.startswith("simlib.")} & above
        assert not any(name.split(".")[0] == "simpy" for name in names)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import simpy", {"simpy"}),
        ("def f():\n    import a.b as c", {"a.b"}),
        ("from ..queues.base import Message", {"simlib.queues.base", "simlib.queues.base.Message"}),
        ("from .. import queues", {"simlib", "simlib.queues"}),
        ("from . import record", {"simlib.processes", "simlib.processes.record"}),
        ("if TYPE_CHECKING:\n    import a\nelse:\n    import b", {"a", "b"}),
        ("try:\n    import a\nexcept ImportError:\n    import b", {"a", "b"}),
    ],
)
def test_imports_are_read_wherever_they_stand(source: str, expected: set[str]) -> None:
    assert _imported(source, "simlib.processes.consumer", False) == expected


def test_imports_of_a_package_are_relative_to_itself() -> None:
    found = _imported("from .consumer import Consumer", "simlib.processes", True)
    assert found == {"simlib.processes.consumer", "simlib.processes.consumer.Consumer"}


def _loaded_by(statement: str) -> set[str]:
    """Top-level names of all modules in a fresh Python after a statement."""
    code = f"{statement}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return {name.split(".")[0] for name in json.loads(run.stdout)}


@pytest.mark.parametrize(
    "statement",
    [
        "import simlib",
        "import simlib.scenarios, simlib.analysis, simlib.theory, simlib.queues, simlib.broker",
        "import simlib.live",
    ],
)
def test_the_library_loads_nothing_that_only_pictures_and_panels_need(statement: str) -> None:
    loaded = _loaded_by(statement)
    assert "simlib" in loaded
    assert not loaded & {"matplotlib", "ipywidgets", "IPython"}
    assert not loaded & {
        "pika",
        "flask",
        "waitress",
        "requests",
        "strawberry",
        "psycopg",
        "dask",
        "distributed",
    }


@pytest.mark.parametrize("room", ["queues", "broker", "stores", "calls", "resilience", "tracing"])
def test_what_is_real_loads_nothing_but_python_and_itself(room: str) -> None:
    before = _loaded_by("pass")  # what the environment itself brings along
    loaded = _loaded_by(f"import simlib.{room}") - before
    assert "simlib" in loaded
    assert loaded - {"simlib"} <= sys.stdlib_module_names


def test_a_kind_of_queue_is_loaded_when_it_is_first_asked_for() -> None:
    loaded = _loaded_by("import simlib.queues, simlib.queues.crash, simlib.queues.kinds")
    assert not loaded & {"sqlite3", "mmap", "shutil", "psycopg"}
    assert "sqlite3" in _loaded_by("from simlib.queues import SQLiteQueue")
