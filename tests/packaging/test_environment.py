"""One truth about what is installed: pyproject.toml; environment.yml and the lock agree with it."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

# Names that differ on conda-forge.
CONDA_NAMES = {
    "dask": "dask-core",
    "matplotlib": "matplotlib-base",
    "playwright": "playwright-python",
}


PROJECT_TEXT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(PROJECT_TEXT)
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))

GROUPS = {
    "runtime": PROJECT["project"]["dependencies"],
    **PROJECT["project"]["optional-dependencies"],
    **PROJECT["dependency-groups"],
}


def required(*groups: str) -> dict[str, SpecifierSet]:
    requirements = [Requirement(text) for group in groups for text in GROUPS[group]]
    ours = {canonicalize_name(each.name): each.specifier for each in requirements}
    return {name: specifier for name, specifier in ours.items() if name != "simlib"}  # extras


def locked() -> Iterator[tuple[Requirement, list[str]]]:
    """Each locked requirement with its hashes."""
    for entry in re.split(r"\n(?=\S)", LOCK):
        lines = [line.rstrip(" \\") for line in entry.splitlines()]
        yield Requirement(lines[0]), re.findall(r"--hash=sha256:([0-9a-f]{64})", entry)


def test_every_dependency_has_a_line_and_a_reason() -> None:
    everything = {text for group in GROUPS.values() for text in group}
    lines = re.findall(r'^\s*"([^"]+)",?[ \t]*(?:#[ \t]*(.*))?$', PROJECT_TEXT, re.MULTILINE)
    reasons = {text: reason for text, reason in lines if text in everything}
    assert reasons.keys() == everything, "some dependency isn't on a line of its own"
    assert not [text for text, reason in reasons.items() if len(reason.split()) < 2]


def test_conda_has_the_same_ranges() -> None:
    ours = required("sim", "present", "cluster", "live", "dev")
    expected = {CONDA_NAMES.get(name, name): specifier for name, specifier in ours.items()}
    expected["python"] = SpecifierSet(PROJECT["project"]["requires-python"])
    expected["pip"] = SpecifierSet()  # installs simlib itself
    specs = [text.partition(" ") for text in CONDA["dependencies"] if isinstance(text, str)]
    assert {name: SpecifierSet(version) for name, _, version in specs} == expected
    assert CONDA["channels"] == ["conda-forge"]


def test_pip_adds_only_simlib_to_conda() -> None:
    assert [each for each in CONDA["dependencies"] if isinstance(each, dict)] == [{"pip": ["-e ."]}]


@pytest.mark.parametrize("group", GROUPS)
def test_locked_versions_lie_in_their_ranges(group: str) -> None:
    pins: dict[str, list[str]] = {}
    for requirement, _ in locked():
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        pins.setdefault(canonicalize_name(requirement.name), []).append(pin.version)
    for name, specifier in required(group).items():
        assert name in pins, f"{name} isn't locked: make lock"
        assert all(specifier.contains(version) for version in pins[name]), f"{name}: make lock"


def test_lock_has_hashes_and_no_address() -> None:
    assert not [requirement for requirement, hashes in locked() if not hashes]
    assert not re.search(r"://|file:|^--?\w", LOCK, re.MULTILINE)


def test_build_backend_is_installed_in_the_same_range() -> None:
    """An editable install without isolation uses the hatchling of the environment."""
    (build,) = map(Requirement, PROJECT["build-system"]["requires"])
    (pin,) = (each.specifier for each, _ in locked() if each.name == build.name)
    assert all(build.specifier.contains(each.version) for each in pin)
