"""A process that carries orders through three databases and kills itself after a given step.

Arguments: folder, pattern, refuse, dedup, step, and how many orders there are. It is gone by
SIGKILL the first time that the step is passed: nothing is closed, flushed or told. Each order that
the customer has a reply for is a line of its output.
"""

import os
import signal
import sys
import types
from contextlib import ExitStack
from pathlib import Path

if __name__ == "__main__":
    # Without the rest of the library it starts in a tenth of the time.
    package = types.ModuleType("simlib")
    package.__path__ = [str(Path(__file__).parents[2] / "simlib")]
    sys.modules["simlib"] = package

from simlib.queues import SQLiteQueue
from simlib.stores import Ordering, Services, ordering_by_queues, settle
from simlib.stores.steps import follow


def opened(
    stack: ExitStack, folder: Path, pattern: str, refuse: str, dedup: str
) -> tuple[Ordering, dict[str, SQLiteQueue]]:
    """The services and queues of a folder, as they were left."""
    services = stack.enter_context(
        Services(
            folder,
            money=0 if refuse == "card" else 10**6,
            goods=0 if refuse == "stock" else 10**6,
        )
    )
    queues = {
        name: stack.enter_context(SQLiteQueue(folder / f"{name}-queue.db", sync="never"))
        for name in ("orders", "stock", "bank")
    }
    return ordering_by_queues(pattern, services, queues, dedup), queues  # type: ignore[arg-type]


def main(folder: str, pattern: str, refuse: str, dedup: str, step: str, orders: str) -> None:
    def passed(point: str) -> None:
        if point == step:
            os.kill(os.getpid(), signal.SIGKILL)

    with ExitStack() as stack:
        ordering, queues = opened(stack, Path(folder), pattern, refuse, dedup)
        for number in range(int(orders)):
            follow(ordering.request(f"order {number}"), passed)
            print(f"order {number}", flush=True)
        settle(ordering, queues, (), passed)


if __name__ == "__main__":
    main(*sys.argv[1:])
