"""What must be installed beside simlib, and for what."""

from __future__ import annotations

from importlib.util import find_spec

__all__ = ["require"]

NEEDED = {
    "sim": ("numpy", "pandas", "simpy", "pydantic", "scipy", "joblib", "tqdm"),
    "present": ("matplotlib", "ipywidgets", "anywidget"),
    "live": ("flask", "waitress", "requests"),
}


def require(extra: str, wanted: str) -> None:
    """Say what to install if it is missing.

    Raises
    ------
    ModuleNotFoundError
        A package is missing; the text names the extra that brings it.
    """
    for package in NEEDED[extra]:
        if find_spec(package) is None:
            raise ModuleNotFoundError(
                f'{wanted} needs {package}: pip install "simlib[{extra}]"', name=package
            )
