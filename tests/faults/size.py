"""How much the fault tests try: a bounded part by default, all of it with FAULTS=full."""

import os


def size(ci: int, full: int) -> int:
    return full if os.environ.get("FAULTS") == "full" else ci
