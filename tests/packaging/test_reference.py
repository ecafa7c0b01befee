"""The reference can be built without a warning, and read without a network."""

from __future__ import annotations

import re

import pytest

from tools.reference import BESIDE, ROOMS, ROOT, build

# A few of the rooms: one that loads late, one with tables of parameters, one with formulas.
SOME = ("simlib.queues", "simlib.scenarios", "simlib.theory", "simlib.broker.errors")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The text of each page, by its place."""
    target = tmp_path_factory.mktemp("reference")
    build(target, SOME)
    return {
        path.relative_to(target).as_posix(): path.read_text("utf-8")
        for path in target.rglob("*.html")
    }


def test_each_module_and_each_document_has_a_page(pages: dict[str, str]) -> None:
    assert {f"{name.replace('.', '/')}.html" for name in SOME} < pages.keys()
    assert {"index.html", "README.html", "docs/design.html", "examples/README.html"} < pages.keys()
    assert "docs/decisions/0001-real-queues-simulated-time.html" in pages
    assert "class=" in pages["simlib/queues.html"]
    assert "FileQueue" in pages["simlib/queues.html"]


def test_nothing_is_fetched_from_elsewhere(pages: dict[str, str]) -> None:
    fetched = re.compile(
        r"""(?:\bsrc=|@import|url\(|<link[^>]*href=)\s*["']?((?:https?:)?//[^"' )]*)"""
    )
    for place, page in pages.items():
        assert not fetched.findall(page), place


def test_links_between_pages_lead_somewhere(pages: dict[str, str]) -> None:
    for place, page in pages.items():
        if place.startswith("simlib/"):
            continue  # pdoc's own
        for target in re.findall(r'href="([^"#:]+\.html)', page):
            there = (ROOT / "build" / place).parent / target
            inside = there.resolve().relative_to((ROOT / "build").resolve()).as_posix()
            assert inside in pages, f"{place}: {target}"


def test_parameters_are_a_table(pages: dict[str, str]) -> None:
    (row,) = re.findall(
        r"<tr>\s*<td>polling</td>\s*<td>none</td>.*?</tr>", pages["simlib/scenarios.html"], re.S
    )
    assert "<td>s</td>" in row


def test_every_room_has_a_page() -> None:
    library = ROOT / "simlib"
    folders = {f"simlib.{path.parent.name}" for path in library.glob("*/__init__.py")}
    assert {"simlib", *folders} == set(ROOMS)
    for name in BESIDE:
        assert (ROOT / f"{name.replace('.', '/')}.py").exists(), name
