"""The queues' code, instruction by instruction."""

from __future__ import annotations

import dis
import os
from pathlib import Path
from types import CodeType, FrameType

import simlib.queues

SOURCES = str(Path(simlib.queues.__file__).parent) + os.sep

_QUIET = ("LOAD_", "STORE_", "POP_", "COPY", "SWAP", "BUILD_", "PUSH_NULL", "KW_NAMES", "PRECALL")
"""How the names of instructions begin before which the interpreter looks neither for a signal nor
for threads that want their turn, and which call nothing that does."""


def is_ours(code: CodeType) -> bool:
    """Whether this is code of a queue."""
    return code.co_filename.startswith(SOURCES)


def is_quiet(frame: FrameType) -> bool:
    """Whether nothing can come between the next instruction and the one after it."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith(_QUIET)
