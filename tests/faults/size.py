"""How much a fault test tries: what CI bears, or everything with FAULTS=full (``make faults``)."""

import os
from typing import TypeVar

T = TypeVar("T")

FULL = os.environ.get("FAULTS", "") == "full"


def size(ci: T, full: T) -> T:
    """One of two sizes."""
    return full if FULL else ci
