"""The page on the design says what is there: rooms, long modules, public names, no more."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import simlib

ROOT = Path(__file__).parents[2]
LIBRARY = Path(simlib.__file__).parent
PAGE = (ROOT / "docs/design.md").read_text("utf-8")
LONGEST = 450


def _drawn() -> Iterator[str]:
    """Paths in the tree of the page, from its indents."""
    tree = re.search(r"^```\n(notebooks/.*?)^```", PAGE, re.M | re.S)
    assert tree is not None
    above: list[str] = []
    for line in tree[1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name, said = line.split(maxsplit=1) if depth or line != "simlib/" else (line, "all")
        assert said, line
        above[depth:] = [name]
        yield "".join(above)


def _rooms() -> Iterator[str]:
    """Folders and modules that stand in the library itself, and folders within folders."""
    for path in LIBRARY.rglob("*.py"):
        inside = path.relative_to(LIBRARY)
        if path.name == "__init__.py" and path.parent != LIBRARY:
            yield f"simlib/{inside.parent.as_posix()}/"
        elif path.parent == LIBRARY and not path.name.startswith("_"):
            yield f"simlib/{path.name}"


def test_the_tree_has_every_room_and_no_other() -> None:
    drawn = list(_drawn())
    assert len(set(drawn)) == len(drawn)
    inside = {path for path in drawn if path.startswith("simlib/")} - {"simlib/"}
    assert inside == set(_rooms())
    assert all((ROOT / path).is_dir() for path in set(drawn) - inside)


def test_long_modules_are_listed_with_a_reason() -> None:
    section = PAGE.partition(f"## Modules over {LONGEST} lines")[2]
    reasons = dict(re.findall(r"^\| `([\w/]+\.py)` \| (.+) \|$", section, re.M))
    long = {
        path.relative_to(LIBRARY).as_posix()
        for path in LIBRARY.rglob("*.py")
        if len(path.read_text("utf-8").splitlines()) > LONGEST
    }
    assert reasons.keys() == long
    assert all(len(reason.split()) > 5 for reason in reasons.values())


def test_where_a_change_goes_exists() -> None:
    table = PAGE.partition("### Where a change goes")[2].partition("\n## ")[0]
    places = re.findall(r"`([\w/]+(?:\.py|/))`", table)
    assert len(places) > 15
    for place in places:
        assert (LIBRARY / place).exists(), place


CONTRACT = PAGE.partition("## The public contract")[2].partition("\n## ")[0]
IMPORTS = re.findall(r"^from simlib.*$", CONTRACT, re.M)


@pytest.mark.parametrize("statement", IMPORTS)
def test_public_names_can_be_imported(statement: str) -> None:
    exec(statement, {})


@pytest.mark.parametrize("code", re.findall(r"^```python\n(.*?)^```", CONTRACT, re.M | re.S))
def test_the_contract_is_python(code: str) -> None:
    ast.parse(code)


def _exceptions() -> Iterator[type[BaseException]]:
    """What rooms and modules export that can be raised or warned of."""
    for each in pkgutil.walk_packages(simlib.__path__, "simlib."):
        module = importlib.import_module(each.name)
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if isinstance(value, type) and issubclass(value, BaseException):
                yield value


def test_every_error_is_on_the_map() -> None:
    page = PAGE.partition("## Errors")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+(?:Error|Warning))`", page))
    # Never seen from outside: each says to its neighbour that something is not as expected.
    inside = {"NotHeldError", "TornError"}
    missing = {
        error.__name__
        for error in _exceptions()
        if error.__module__.startswith("simlib")
        and not named & {base.__name__ for base in error.__mro__ if base.__module__ != "builtins"}
    }
    assert missing <= inside


def test_decisions_are_listed_and_say_why() -> None:
    folder = ROOT / "docs/decisions"
    listed = re.findall(
        r"^\| \[(\d{4})\]\((.+?)\) \| (.+) \|$", (folder / "README.md").read_text("utf-8"), re.M
    )
    assert [file for _, file, _ in listed] == sorted(path.name for path in folder.glob("0*.md"))
    assert [int(number) for number, _, _ in listed] == list(range(1, len(listed) + 1))
    for number, file, title in listed:
        head, *parts = (folder / file).read_text("utf-8").strip().split("\n\n")
        assert head == f"# {number} {title}"
        kinds = [part.partition("**")[2].partition(".**")[0] for part in parts]
        assert kinds == ["Context", "Decision", "Consequences"], file
