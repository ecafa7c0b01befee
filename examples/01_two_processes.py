"""Two processes share a queue in an SQLite file; what one does not finish, the other does."""

import multiprocessing
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from simlib.queues import SQLiteQueue


def work(path: Path) -> None:
    """Take two orders, finish one, and crash over the other."""
    queue = SQLiteQueue(path)
    queue.ack(queue.get(timeout=10))
    queue.get(timeout=10)
    os._exit(1)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        path = Path(folder) / "orders.db"
        with SQLiteQueue(path) as queue:
            queue.put_many([b"order 1", b"order 2", b"order 3"])

            worker = multiprocessing.get_context("spawn").Process(target=work, args=[path])
            worker.start()
            worker.join()

            # What a dead process held comes back within 50 ms.
            messages = [queue.get(timeout=10) for _ in range(2)]
            for message in sorted(messages, key=lambda message: message.id):
                print(message.body.decode(), "in attempt", message.attempts)
                queue.ack(message)
            print("left:", queue.qsize())
