"""A batch function answers in the order of its keys, gaps included; a loader asks once for each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib.calls import CUSTOMERS, ORDERS, Loader, Turn
from simlib.calls.sample import sample_shop


@settings(max_examples=40)
@given(ids=st.lists(st.integers(95, 125), max_size=40))
def test_batch_functions_answer_in_the_order_of_their_keys(ids: list[int]) -> None:
    with sample_shop() as shop, shop.session() as session:
        customers, _ = session.lookup(CUSTOMERS, ids)
        orders = session.orders_of(ORDERS, ids, limit=5)
    assert session.queries.made == 2
    for id_, customer, theirs in zip(ids, customers, orders, strict=True):
        assert (customer is not None) == (101 <= id_ <= 120)
        assert customer is None or customer["id"] == str(id_)
        # Customer 101 has orders 1021 and 1041, and so on; the newest come first.
        assert [order["id"] for order in theirs] == (
            [str(id_ + 940), str(id_ + 920)] if customer else []
        )


@given(keys=st.lists(st.integers(0, 20), min_size=1, max_size=30), gaps=st.sets(st.integers(0, 20)))
def test_every_asker_gets_its_own_answer(keys: list[int], gaps: set[int]) -> None:
    batches: list[list[int]] = []

    def batch(asked: list[int]) -> list[str | None]:
        batches.append(asked)
        return [None if key in gaps else f"value {key}" for key in asked]

    async def ask() -> list[str | None]:
        loader = Loader(batch)
        return await asyncio.gather(*(loader.load(key) for key in keys))

    assert asyncio.run(ask()) == [None if key in gaps else f"value {key}" for key in keys]
    assert batches == [list(dict.fromkeys(keys))]


def test_a_key_is_asked_for_once_and_later_keys_in_another_batch() -> None:
    batches: list[list[int]] = []

    def batch(keys: list[int]) -> list[int]:
        batches.append(keys)
        return keys

    async def ask() -> None:
        loader = Loader(batch)
        assert await loader.load(1) == 1
        assert await asyncio.gather(loader.load(1), loader.load(2)) == [1, 2]

    asyncio.run(ask())
    assert batches == [[1], [2]]


def test_loaders_of_one_turn_fetch_together() -> None:
    log: list[str] = []

    @contextmanager
    def together() -> Iterator[None]:
        log.append("[")
        yield
        log.append("]")

    def batch(keys: list[str]) -> list[str]:
        log.append("".join(keys))
        return keys

    async def ask() -> None:
        turn = Turn(together)
        one, other = Loader(batch, turn), Loader(batch, turn)
        await asyncio.gather(one.load("a"), other.load("b"), one.load("c"))
        await one.load("d")

    asyncio.run(ask())
    assert log == ["[", "ac", "b", "]", "[", "d", "]"]


def test_a_batch_function_that_leaves_gaps_out_is_found_out() -> None:
    async def ask() -> None:
        loader = Loader(lambda keys: [key for key in keys if key != 2])
        await asyncio.gather(*(loader.load(key) for key in (1, 2, 3)), return_exceptions=True)
        await loader.load(1)

    with pytest.raises(ValueError, match="must answer each of its 3 keys, None where there is no"):
        asyncio.run(ask())


def test_an_error_of_the_batch_reaches_every_asker() -> None:
    def batch(keys: list[int]) -> list[int]:
        raise OSError("the database is away")

    async def ask() -> list[int | BaseException | None]:
        loader = Loader(batch)
        return await asyncio.gather(loader.load(1), loader.load(2), return_exceptions=True)

    assert [str(error) for error in asyncio.run(ask())] == ["the database is away"] * 2
