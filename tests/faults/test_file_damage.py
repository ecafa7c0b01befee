"""Files cut off anywhere, and flipped bits: noticed, named, and no wrong message delivered."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from size import size

from simlib.queues import (
    CorruptQueueError,
    FileQueue,
    Message,
    QueueError,
    RecoveryWarning,
    recover,
)
from simlib.queues.crash import kill

pytestmark = pytest.mark.usefixtures("unsynced")

BODIES = [b"message %d " % number * (number % 4 + 1) for number in range(12)]
ACKED = {3, 4}
HEADER = 48
KEPT = [body for number, body in enumerate(BODIES, 1) if number not in ACKED]


def make(folder: Path, *, closed: bool) -> None:
    """A small queue in three segments, with acks and deliveries, closed or killed."""
    queue = FileQueue(folder, segment_size=1 << 9)
    for body in BODIES[:8]:
        queue.put(body, headers={"length": len(body)})
    for message in queue.get_many(5):
        if message.id in ACKED:
            queue.ack(message)
    queue.put_many(BODIES[8:])
    if closed:
        queue.close()
    else:
        kill(queue)


def drain(folder: Path) -> tuple[list[Message], list[CorruptQueueError]]:
    """All that can be delivered, and what was said about the rest."""
    messages, errors = [], []
    with FileQueue(folder, segment_size=1 << 9) as queue:
        while True:
            try:
                found = queue.get_many(1)
            except CorruptQueueError as error:
                errors.append(error)
                continue
            if not found:
                return messages, errors
            messages += found


def log_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.log"))


def test_a_log_that_ends_anywhere_gives_a_prefix(tmp_path: Path, tally: Any) -> None:
    make(tmp_path / "whole", closed=False)
    last = log_files(tmp_path / "whole")[-1].name
    content = (tmp_path / "whole" / last).read_bytes().rstrip(b"\0")
    for length in range(HEADER, len(content), size(3, 1)):
        tally.count("log cut off at a byte", "FileQueue")
        folder = tmp_path / "cut"
        shutil.copytree(tmp_path / "whole", folder)
        (folder / last).write_bytes(content[:length])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            messages, errors = drain(folder)
        shutil.rmtree(folder)
        assert not errors
        assert is_prefix(messages), length
        for warning in caught:
            assert isinstance(warning.message, RecoveryWarning)
            assert warning.message.file.name == last
            assert warning.message.offset + warning.message.dropped <= length
            assert str(warning.message.offset) in str(warning.message)


def is_prefix(messages: list[Message]) -> bool:
    """Whether this may be in a log that ends somewhere. Acks are in it like anything else: cut off,
    their messages are there again."""
    bodies = sorted((message.id, message.body) for message in messages)
    put = list(enumerate(BODIES, 1))
    settled = [each for each in put if each[0] not in ACKED]
    return any(
        bodies == [each for each in known[:end] if each[0] <= end or known is settled]
        for known in (put, settled)
        for end in range(len(known) + 1)
    )


@pytest.mark.parametrize("how", ["cut off", "zeroed"])
def test_what_is_missing_at_the_end_of_a_closed_log_is_noticed_anywhere(
    tmp_path: Path, tally: Any, how: str
) -> None:
    make(tmp_path / "whole", closed=True)
    last = log_files(tmp_path / "whole")[-1].name
    content = (tmp_path / "whole" / last).read_bytes()
    for length in range(0, len(content), size(3, 1)):
        tally.count("log cut off at a byte", "FileQueue")
        folder = tmp_path / "cut"
        shutil.copytree(tmp_path / "whole", folder)
        rest = b"" if how == "cut off" else bytes(len(content) - length)
        if rest and not any(content[length:]):
            break  # Nothing is changed.
        (folder / last).write_bytes(content[:length] + rest)
        error = refusal(folder)
        assert error is not None, length
        assert error.file == folder / last
        assert is_prefix(salvaged(folder, length)), length
        shutil.rmtree(folder)


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "killed"])
@pytest.mark.parametrize(
    "gone", [slice(1), slice(-1, None), slice(None)], ids=["first", "last", "all"]
)
def test_missing_segments_are_noticed_at_either_end(
    tmp_path: Path, closed: bool, gone: slice
) -> None:
    make(tmp_path / "q", closed=closed)
    files = log_files(tmp_path / "q")
    for file in files[gone]:
        file.unlink()
    error = refusal(tmp_path / "q")
    assert error is not None
    assert error.file in files[gone]
    assert "missing" in str(error)
    report = recover(tmp_path / "q")
    told = [what for _, _, what in report.lost]
    assert any(what.startswith("segment") for what in told)
    if gone == slice(1):
        assert any(what.startswith("message") for what in told)


def test_what_an_old_copy_of_a_segment_lacks_is_told(tmp_path: Path) -> None:
    make(tmp_path / "q", closed=True)
    make(tmp_path / "again", closed=True)
    for place, file in enumerate(log_files(tmp_path / "q")[:-1]):
        folder = tmp_path / f"copy-{place}"
        shutil.copytree(tmp_path / "q", folder)
        shutil.copy(log_files(tmp_path / "q")[-1], folder / file.name)
        assert refusal(folder) is not None
        report = recover(folder)
        assert any("records" in what for _, _, what in report.lost), file.name
        kept = {message.id for message in drain(report.path)[0]}
        assert kept <= set(range(1, 13))


def test_a_log_of_before_there_were_marks_is_read(tmp_path: Path) -> None:
    make(tmp_path / "q", closed=True)
    (tmp_path / "q" / "mark").unlink()
    for file in log_files(tmp_path / "q"):
        content = bytearray(file.read_bytes())
        content[12:16] = (1).to_bytes(4, "little")
        content[8:12] = crc32(content[12:48]).to_bytes(4, "little")
        file.write_bytes(content)
    messages, errors = drain(tmp_path / "q")
    assert [message.body for message in messages] == KEPT
    assert not errors
    assert (tmp_path / "q" / "mark").exists()


def test_a_missing_mark_is_no_loss_but_said(tmp_path: Path) -> None:
    make(tmp_path / "q", closed=True)
    (tmp_path / "q" / "mark").unlink()
    with pytest.warns(RecoveryWarning, match="mark is missing"):
        messages, _ = drain(tmp_path / "q")
    assert [message.body for message in messages] == KEPT


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "q").mkdir()
    file = tmp_path / "q" / "00000001.log"
    file.write_bytes(b"what the weather was like")
    with pytest.raises(QueueError, match="no part of a queue"):
        FileQueue(tmp_path / "q")
    assert file.read_bytes() == b"what the weather was like"
    assert list((tmp_path / "q").iterdir()) == [file]


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "killed"])
def test_every_flipped_bit_is_noticed_or_does_no_harm(
    tmp_path: Path, tally: Any, closed: bool
) -> None:
    make(tmp_path / "whole", closed=closed)
    allowed = set(BODIES)
    refused = 0
    for file in log_files(tmp_path / "whole"):
        content = file.read_bytes()
        used = len(content.rstrip(b"\0"))
        for offset in range(0, used, size(3, 1)):
            tally.count("bit flipped in a byte", "FileQueue")
            folder = tmp_path / "flipped"
            shutil.copytree(tmp_path / "whole", folder)
            flipped = bytearray(content)
            flipped[offset] ^= 1 << offset % 8
            (folder / file.name).write_bytes(flipped)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                error = refusal(folder)
                if error is not None:
                    refused += 1
                    assert error.file == folder / file.name
                    assert error.offset is not None
                    assert error.offset <= offset
                    assert "recover" in str(error)
                    messages = salvaged(folder, offset)
                    assert len(messages) >= len(KEPT) - 1
                else:
                    messages, errors = drain(folder)
                    assert not errors
                    bodies = {message.body for message in messages}
                    assert bodies >= set(KEPT) or caught, f"{file.name} byte {offset}"
            assert {message.body for message in messages} <= allowed
            assert len({message.id for message in messages}) == len(messages)
            shutil.rmtree(folder)
    assert refused > 100


def refusal(folder: Path) -> CorruptQueueError | None:
    """Why a queue can't be opened."""
    try:
        kill(FileQueue(folder, segment_size=1 << 9))
    except CorruptQueueError as error:
        return error
    return None


def salvaged(folder: Path, offset: int) -> list[Message]:
    report = recover(folder, folder / "new")
    messages, errors = drain(report.path)
    assert not errors
    assert len(messages) == report.messages
    assert report.lost, offset
    return messages


def test_damage_while_the_queue_is_open_spoils_one_message_only(tmp_path: Path) -> None:
    with FileQueue(tmp_path / "q") as queue:
        queue.put_many(BODIES, headers={"some": "headers"})
        file = log_files(tmp_path / "q")[0]
        content = bytearray(file.read_bytes())
        content[content.index(BODIES[1])] ^= 1
        file.write_bytes(content)
        assert queue.get().body == BODIES[0]
        with pytest.raises(CorruptQueueError, match="message 2 is damaged") as caught:
            queue.get()
        assert caught.value.file == file
        assert [message.body for message in queue.get_many(100)] == BODIES[2:]
        # It is set aside, and still kept.
        assert queue.ids() == set(range(1, len(BODIES) + 1))


def test_a_batch_that_meets_damage_gives_back_what_it_took(tmp_path: Path) -> None:
    with FileQueue(tmp_path / "q") as queue:
        queue.put_many(BODIES, headers={"some": "headers"})
        file = log_files(tmp_path / "q")[0]
        content = bytearray(file.read_bytes())
        content[content.index(BODIES[2])] ^= 1
        file.write_bytes(content)
        with pytest.raises(CorruptQueueError, match="message 3"):
            queue.get_many(5)
        messages = queue.get_many(100)
        assert [message.body for message in messages] == BODIES[:2] + BODIES[3:]
        assert not any(message.redelivered for message in messages)


def test_a_missing_segment_is_named(tmp_path: Path) -> None:
    make(tmp_path / "q", closed=True)
    file = log_files(tmp_path / "q")[1]
    file.unlink()
    with pytest.raises(CorruptQueueError, match=f"{file.name} is damaged.*missing"):
        FileQueue(tmp_path / "q")


def test_a_swapped_segment_is_noticed(tmp_path: Path) -> None:
    make(tmp_path / "q", closed=True)
    first, second, *_ = log_files(tmp_path / "q")
    shutil.copy(second, first)
    with pytest.raises(CorruptQueueError):
        FileQueue(tmp_path / "q")


def test_another_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    make(tmp_path / "q", closed=True)
    file = log_files(tmp_path / "q")[0]
    content = bytearray(file.read_bytes())
    content[12:16] = (3).to_bytes(4, "little")
    content[8:12] = crc32(content[12:48]).to_bytes(4, "little")
    file.write_bytes(content)
    before = sorted((each.name, each.read_bytes()) for each in (tmp_path / "q").iterdir())
    with pytest.raises(QueueError, match=r"version 3 .*open it with the version of simlib"):
        FileQueue(tmp_path / "q")
    assert before == sorted((each.name, each.read_bytes()) for each in (tmp_path / "q").iterdir())


def test_recovery_keeps_what_is_known_of_a_message(tmp_path: Path) -> None:
    make(tmp_path / "q", closed=True)
    report = recover(tmp_path / "q")
    assert report.path == tmp_path / "q-recovered"
    assert (report.messages, report.lost) == (len(KEPT), ())
    messages, _ = drain(report.path)
    assert [message.body for message in messages] == KEPT
    assert [message.id for message in messages] == [1, 2, 5, 6, 7, 8, 9, 10, 11, 12]
    assert messages[0].headers == {"length": len(BODIES[0])}
    assert [message.attempts for message in messages] == [2, 2, 2] + [1] * 7
    assert sorted(each.name for each in tmp_path.iterdir()) == ["q", "q-recovered"]


def test_recovery_overwrites_nothing(tmp_path: Path) -> None:
    make(tmp_path / "q", closed=True)
    (tmp_path / "there").mkdir()
    with pytest.raises(FileExistsError, match="there already"):
        recover(tmp_path / "q", tmp_path / "there")
    with pytest.raises(FileNotFoundError, match="no queue"):
        recover(tmp_path / "nowhere")
