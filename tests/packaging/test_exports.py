"""What a module offers is what its ``__all__`` says, in order, and nothing else."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any

import pytest

import simlib

NAMES = ["simlib", *(each.name for each in pkgutil.walk_packages(simlib.__path__, "simlib."))]
MODULES = [module for module in map(importlib.import_module, NAMES) if hasattr(module, "__all__")]


def _order(name: str) -> tuple[int, str]:
    """As ruff sorts: constants, classes, functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def _made_here(module: ModuleType) -> set[str]:
    """Its public classes and functions. Constants and aliases of types may stay in the family."""

    def belongs(value: Any) -> bool:
        named = isinstance(value, type) or hasattr(value, "__code__")
        return named and value.__module__ == module.__name__

    return {name for name, value in vars(module).items() if name[0] != "_" and belongs(value)}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_a_modules_exports_are_sorted_and_complete(module: ModuleType) -> None:
    names = list(module.__all__)
    assert names == sorted(set(names), key=_order)
    assert all(hasattr(module, name) for name in names)
    assert _made_here(module) <= set(names)
