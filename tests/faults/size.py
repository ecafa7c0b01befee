"""How much a fault test tries: what CI bears, or everything with FAULTS=full (``make faults``)."""

import os

FULL = os.environ.get("FAULTS", "") == "full"


def size(ci: int, full: int) -> int:
    """One of two sizes."""
    return full if FULL else ci
