"""Measure, print Markdown tables, and keep them in bench/RESULTS.md.

    python -m bench [names...] [--write | --no-write]

Without names all groups are measured and the results written; a run of some groups only prints
theirs, unless --write asks to bring these up to date in the file.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from importlib import import_module

from .report import Table, save

GROUPS = {
    "simulators": "M/M/1 and M/M/8 beside other simulators",
    "scaling": "cost per message and memory up to ten million messages",
    "memory_queue": "MemoryQueue beside queue.Queue and deque",
    "persistent": "FileQueue and SQLiteQueue beside the disk and their peers",
    "broker": "a message through the broker, and routing with many bindings",
    "sync_async": "cost per request of SyncVsAsync",
    "calls": "cost per call with timeouts, retries and policies, beside SimPy by hand",
    "sweeps": "a sweep on one core and on two",
    "import": "how long `import simlib` takes",
    "panel": "a control moved, without a browser",
    "browser": "a slider moved in a browser",
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure the speed of simlib beside its peers and its goals.",
        epilog="groups: " + "; ".join(f"{name}: {what}" for name, what in GROUPS.items()),
    )
    parser.add_argument(
        "names", nargs="*", metavar="group", help="what to measure; none: everything"
    )
    parser.add_argument(
        "--write",
        action=argparse.BooleanOptionalAction,
        help="write into bench/RESULTS.md; without this, only a run of all groups does",
    )
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in GROUPS]:
        parser.error(f"there is no group {', '.join(unknown)}; there are {', '.join(GROUPS)}")

    names = options.names or list(GROUPS)
    write = not options.names if options.write is None else options.write
    tables = []
    for name in names:
        print(f"measuring: {GROUPS[name]} …", file=sys.stderr, flush=True)
        for table in _group(name)():
            print(f"{table}\n", flush=True)
            tables.append(table)
    if write:
        print(f"written: {save(tables, everything=not options.names)}", file=sys.stderr)
    return 0


def _group(name: str) -> Callable[[], Iterable[Table]]:
    """The group's `tables`; imported late, so that one group doesn't need what others do."""
    module = "import_time" if name == "import" else name
    tables: Callable[[], Iterable[Table]] = import_module(f"bench.{module}").tables
    return tables


if __name__ == "__main__":
    sys.exit(main())
