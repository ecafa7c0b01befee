"""Order and event are one commit; a relay that crashes sends it twice, and an inbox counts once."""

import multiprocessing
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from simlib.queues import SQLiteQueue
from simlib.stores import Inbox, Orders, Outbox, Stock


def shop(folder: Path, crash: bool) -> None:
    """Place an order, the same one each time; then publish what stands in the outbox."""
    with Orders(folder / "orders.db") as orders, SQLiteQueue(folder / "events.db") as queue:
        outbox = Outbox(orders)
        with orders.transaction():
            if orders.place("order 17", price=30):
                outbox.add("ordered", "order 17")
        for row in outbox.unsent():
            queue.put(row.key.encode())
            if crash:
                os._exit(1)  # Sent, and not marked.
            outbox.mark(row.id)


if __name__ == "__main__":
    with TemporaryDirectory() as name:
        folder, spawn = Path(name), multiprocessing.get_context("spawn")
        for crash in (True, False):
            process = spawn.Process(target=shop, args=[folder, crash])
            process.start()
            process.join()

        with Stock(folder / "stock.db") as stock, SQLiteQueue(folder / "events.db") as queue:
            stock.open("chair", free=10)
            inbox = Inbox(stock)
            for message in queue.get_many(10):
                inbox.once(message.body.decode(), lambda: stock.reserve("chair"))
                queue.ack(message)
                print(message.body.decode(), "came; reserved:", stock.reserved("chair"))
