"""A process is killed; its queue in files has every message that a put had promised to keep."""

import subprocess
import sys
from tempfile import TemporaryDirectory

from simlib.queues import FileQueue

VICTIM = """
import sys, time
from simlib.queues import FileQueue

queue = FileQueue(sys.argv[1], sync="always")  # A put returns once its message is on disk.
for number in range(1, 5):
    queue.put(b"order %d" % number)
queue.ack(queue.get())
queue.get()  # In hand when it dies.
print("ready to die", flush=True)
time.sleep(60)
"""

if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-c", VICTIM, folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as victim:
            assert victim.stdout is not None
            print(victim.stdout.readline().strip())
            victim.kill()

        with FileQueue(folder) as queue:
            while not queue.empty():
                message = queue.get()
                again = " again" if message.redelivered else ""
                print(f"{message.body.decode()} is delivered{again}")
                queue.ack(message)
