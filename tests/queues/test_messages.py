"""What a message carries: bytes, and headers that are a JSON object."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    "body", ["text", bytearray(b"b"), memoryview(b"m"), 1, None, {"k": 1}, [b"b"]]
)
def test_a_body_that_is_not_bytes_is_refused(make_queue: Any, body: Any) -> None:
    q = make_queue()
    kind = type(body).__name__
    with pytest.raises(TypeError, match=f"body must be bytes, got {kind} ") as caught:
        q.put(body)
    assert ".encode()" in str(caught.value)
    with pytest.raises(TypeError, match=f"body must be bytes, got {kind} "):
        q.put_many([body])
    assert q.empty()


def test_a_huge_bad_body_is_not_printed_whole(make_queue: Any) -> None:
    with pytest.raises(TypeError) as caught:
        make_queue().put("x" * 1_000_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("body", [b"", b"\x00\xff\n\r", bytes(range(256)) * 4096])
def test_a_body_comes_back_as_it_was(make_queue: Any, body: bytes) -> None:
    q = make_queue()
    q.put(body)
    got = q.get().body
    assert got == body
    assert isinstance(got, bytes)


def test_headers_come_back_as_json_gives_them(make_queue: Any) -> None:
    q = make_queue()
    given = {"type": "order", "n": 1, "x": 0.1, "no": None, "yes": True, "é": ["ü", {"k": (1, 2)}]}
    q.put(b"", headers=given)
    assert q.get().headers == {**given, "é": ["ü", {"k": [1, 2]}]}


def test_a_message_without_headers_has_an_empty_object_of_its_own(make_queue: Any) -> None:
    q = make_queue()
    q.put_many([b"1", b"2"])
    first, second = q.get_many(2)
    assert first.headers == second.headers == {}
    first.headers["mine"] = 1
    assert second.headers == {}


def test_headers_are_copied_when_they_are_put(make_queue: Any) -> None:
    q = make_queue()
    headers = {"list": [1]}
    q.put(b"", headers=headers)
    headers["list"].append(2)
    headers["more"] = [3]
    assert q.get().headers == {"list": [1]}


def test_messages_put_together_do_not_share_their_headers(make_queue: Any) -> None:
    q = make_queue()
    q.put_many([b"1", b"2"], headers={"list": [1]})
    first, second = q.get_many(2)
    first.headers["list"].append(2)
    assert second.headers == {"list": [1]}


@pytest.mark.parametrize("headers", [None, {"list": [1]}])
def test_what_a_consumer_does_to_the_headers_is_not_redelivered(
    make_queue: Any, headers: Any
) -> None:
    q = make_queue()
    q.put(b"", headers=headers)
    message = q.get()
    message.headers.setdefault("list", []).append(2)
    q.nack(message)
    assert q.get().headers == (headers or {})


@pytest.mark.parametrize("headers", ["type=order", [("type", "order")], 5, {1: "one"}, {b"k": 1}])
def test_headers_that_are_no_mapping_of_strings_are_refused(make_queue: Any, headers: Any) -> None:
    q = make_queue()
    with pytest.raises(TypeError, match="headers must be a mapping with string keys"):
        q.put(b"", headers=headers)
    assert q.empty()


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object(), 1j])
def test_headers_that_json_cannot_hold_are_refused(make_queue: Any, value: Any) -> None:
    q = make_queue()
    with pytest.raises(TypeError, match="headers must hold JSON values only"):
        q.put(b"", headers={"k": value})
    assert q.empty()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_have_are_refused(make_queue: Any, value: float) -> None:
    q = make_queue()
    with pytest.raises(ValueError, match="headers must hold JSON values only"):
        q.put(b"", headers={"k": [value]})
    assert q.empty()
