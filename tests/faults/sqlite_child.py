"""A process that uses an SQLite queue and says what it does, for a test to kill it.

Its lines: ``p N`` when the put of N has returned, ``b N`` before N is acknowledged, ``a N`` after.
"""

import sys
import types
from pathlib import Path

# Without the rest of the library it starts in a tenth of the time.
package = types.ModuleType("simlib")
package.__path__ = [str(Path(__file__).parents[2] / "simlib")]
sys.modules["simlib"] = package

from simlib.queues import Empty, QueueError, SQLiteQueue  # noqa: E402


def say(letter: str, number: int) -> None:
    print(letter, number, flush=True)


def both(queue: SQLiteQueue, start: int) -> None:
    """Put and take, for ever."""
    number = start
    while True:
        for count in (1, 1, 3, 1, 40):
            numbers = range(number, number + count)
            number += count
            queue.put_many([b"%d" % one for one in numbers])
            for one in numbers:
                say("p", one)
        for message in queue.get_many(20):
            say("b", int(message.body))
            queue.ack(message)
            say("a", int(message.body))


def produce(queue: SQLiteQueue, start: int, count: int) -> None:
    for number in range(start, start + count):
        queue.put(b"%d" % number)
        say("p", number)


def consume(queue: SQLiteQueue) -> None:
    """Take until nothing came for a while."""
    while True:
        try:
            message = queue.get(timeout=3.0)
        except Empty:
            return
        say("b", int(message.body))
        queue.ack(message)
        say("a", int(message.body))


def produce_until_it_fails(queue: SQLiteQueue) -> None:
    """Put until the disk fails, and try the other calls then."""
    number = 0
    try:
        while True:
            queue.put(b"%d" % number)
            say("p", number)
            number += 1
    except QueueError as error:
        print(f"QueueError {error}", flush=True)
    for call in (queue.get, queue.flush):
        try:
            call()
        except QueueError as error:
            print(f"QueueError {error}", flush=True)


def hold(queue: SQLiteQueue) -> None:
    """Take one message, and never let go."""
    say("h", int(queue.get(timeout=20.0).body))
    sys.stdin.read()


if __name__ == "__main__":
    role, path, sync, *numbers = sys.argv[1:]
    with SQLiteQueue(path, sync=sync) as opened:
        globals()[role](opened, *map(int, numbers))
