"""What all tests share: the profiles of hypothesis, and what to do when a helper is missing."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

CI = os.environ.get("CI", "").lower() not in ("", "0", "false")

# No deadline in either: a shared machine has slow moments, and they are no bugs.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if CI else "local")


LONG = (
    *("browser/", ".ipynb", "faults/", "queues/test_threads", "queues/test_model", "reference/"),
    *("analysis/", "scenarios/", "live/", "packaging/", "test_conservation", "test_reexecution"),
    "test_without_server",
)
"""Parts of the names of files that take long, first those that wait more than they compute."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the files that take long as slow, and begin with them: none is left for the end."""

    def place(item: pytest.Item) -> int:
        name = item.nodeid.partition("::")[0]
        return next((place for place, part in enumerate(LONG) if part in name), len(LONG))

    items.sort(key=place)
    for item in items:
        if place(item) < len(LONG):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def missing() -> Callable[[str, str], NoReturn]:
    """Give up on a test because something outside Python isn't there.

    `missing("Chromium", "apt-get install chromium")` skips the test and says how to get the
    thing. Under CI it fails instead, for a test that is always skipped there tests nothing.
    """

    def give_up(thing: str, remedy: str) -> NoReturn:
        reason = f"{thing} is missing. To get it: {remedy}"
        if CI:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)

    return give_up


@pytest.fixture(scope="session")
def chromium(missing: Callable[[str, str], NoReturn]) -> str:
    """Path of a Chromium or Chrome; the variable CHROMIUM names another one."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    usual = (
        Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
        Path(os.environ.get("PROGRAMFILES", "")) / "Google/Chrome/Application/chrome.exe",
    )
    named = os.environ.get("CHROMIUM")
    if named and not shutil.which(named):
        pytest.fail(f"CHROMIUM is set to {named!r}, which is no program", pytrace=False)
    found = [
        *filter(None, map(shutil.which, [named] if named else names)),
        *(str(path) for path in usual if path.is_file()),
    ]
    if not found:
        missing("Chromium", "apt-get install chromium, or install Chrome, or set CHROMIUM=/path")
    return found[0]
