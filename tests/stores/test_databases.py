"""Orders, stock, bank, outbox, inbox and saga log, each as a database of its own."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlib.stores import (
    DONE,
    REFUSED,
    Bank,
    Database,
    Inbox,
    Orders,
    Outbox,
    SagaLog,
    Services,
    Stock,
    StoreError,
)


class TestTransactions:
    def test_all_of_a_block_is_committed_or_nothing(self) -> None:
        with Orders() as orders:
            outbox = Outbox(orders)
            with suppress(KeyError), orders.transaction():
                orders.place("a", 30)
                outbox.add("ordered", "a")
                raise KeyError("a")
            assert orders.count() == 0
            assert outbox.unsent() == []
            with orders.transaction():
                orders.place("a", 30)
                outbox.add("ordered", "a")
            assert orders.keys() == ["a"]
            assert [row.key for row in outbox.unsent()] == ["a"]

    def test_a_transaction_within_another_one_joins_it(self, tmp_path: Path) -> None:
        with Orders(tmp_path / "o.db") as orders, Orders(tmp_path / "o.db") as reader:
            with orders.transaction():
                with orders.transaction():
                    orders.place("a", 30)
                assert reader.count() == 0
            assert reader.count() == 1

    def test_what_is_committed_is_there_when_it_is_opened_again(self, tmp_path: Path) -> None:
        with Orders(tmp_path / "o.db") as orders:
            orders.place("a", 30)
        with Orders(tmp_path / "o.db") as orders:
            assert orders.status("a") == "pending"

    def test_a_file_that_is_no_database_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "text.db"
        path.write_text("no database " * 100, encoding="utf-8")
        with pytest.raises(StoreError, match=r"text\.db can't be opened: file is not a database"):
            Orders(path)

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match=r"gone.o\.db can't be opened"):
            Orders(tmp_path / "gone" / "o.db")

    def test_a_closed_database_says_so(self) -> None:
        orders = Orders()
        orders.close()
        with pytest.raises(StoreError, match=":memory:: Cannot operate on a closed database"):
            orders.count()

    def test_whatever_is_in_a_key_stays_a_value(self) -> None:
        key = "x'); DROP TABLE orders; --"
        with Orders() as orders:
            orders.place(key, 30)
            assert orders.keys() == [key]


class TestOrders:
    def test_a_repeated_request_makes_a_second_order_only_without_its_key(self) -> None:
        with Orders() as orders:
            assert orders.place("a", 30)
            assert not orders.place("a", 30)
            assert orders.count() == 1
            assert orders.place("a", 30, once=False)
            assert orders.repeated() == ["a"]

    def test_only_a_status_that_is_as_it_was_is_changed(self) -> None:
        with Orders() as orders:
            orders.place("a", 30)
            assert orders.change("a", "cancelled")
            assert not orders.change("a", "approved")
            assert orders.status("a") == "cancelled"
            assert orders.change("a", "approved", was=None)
            assert orders.worth("approved") == 30

    def test_there_is_no_other_status(self) -> None:
        lost: Any = "lost"
        with Orders() as orders, pytest.raises(StoreError, match="CHECK constraint failed"):
            orders.place("a", 30, lost)


class TestStock:
    def test_what_is_not_there_is_not_reserved(self) -> None:
        with Stock() as stock:
            stock.open("chair", 1)
            assert [stock.reserve("chair"), stock.reserve("chair")] == [DONE, REFUSED]
            assert (stock.free("chair"), stock.reserved("chair")) == (0, 1)
            stock.release("chair")
            assert (stock.free("chair"), stock.reserved("chair")) == (1, 0)
            assert stock.reserve("table") == REFUSED

    def test_opening_again_changes_nothing(self) -> None:
        with Stock() as stock:
            stock.open("chair", 1)
            stock.open("chair", 5)
            assert stock.free("chair") == 1
            with pytest.raises(StoreError, match="free must be >= 0, got -1"):
                stock.open("table", -1)


class TestBank:
    def test_a_payment_moves_money_and_makes_none(self) -> None:
        with Bank() as bank:
            bank.open("a", 50)
            bank.open("b")
            assert [bank.pay("a", "b", 30, "rent"), bank.pay("a", "b", 30)] == [DONE, REFUSED]
            assert bank.paid_for() == {"rent": 1}
            assert (bank.balance("a"), bank.balance("b")) == (20, 30)
            assert bank.payments() == [("a", "b", 30)]

    def test_a_payment_to_nobody_is_undone(self) -> None:
        with Bank() as bank:
            bank.open("a", 50)
            with pytest.raises(StoreError, match="no account 'b'"):
                bank.pay("a", "b", 30)
            assert bank.balance("a") == 50
            with pytest.raises(StoreError, match="amount must be >= 0, got -1"):
                bank.pay("a", "a", -1)
            with pytest.raises(StoreError, match="balance must be >= 0, got -1"):
                bank.open("c", -1)
            with pytest.raises(StoreError, match="no account 'c'"):
                bank.balance("c")

    def test_money_that_a_saga_holds_lets_others_wait(self) -> None:
        with Bank() as bank:
            bank.open("a", 100)
            bank.open("shop")
            assert bank.pay("a", "shop", 80, saga="A") == DONE
            assert bank.pay("a", "shop", 50, saga="B") == "wait"
            assert bank.pay("a", "shop", 50) == REFUSED
            bank.settle("A")
            assert bank.pay("a", "shop", 50, saga="B") == REFUSED

    @given(
        st.lists(
            st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.integers(0, 60)),
            max_size=20,
        )
    )
    def test_no_payments_change_the_sum(self, payments: list[tuple[str, str, int]]) -> None:
        with Bank() as bank:
            for name in "abc":
                bank.open(name, 100)
            done = [each for each in payments if bank.pay(*each) == DONE]
            assert sum(bank.balance(name) for name in "abc") == 300
            assert bank.payments() == done


class TestOutbox:
    def test_a_row_is_unsent_until_it_is_marked(self) -> None:
        with Orders() as orders:
            outbox = Outbox(orders)
            for key in "abc":
                outbox.add("ordered", key)
            outbox.mark(outbox.unsent()[1].id)
            assert [row.key for row in outbox.unsent()] == ["a", "c"]
            assert [row.key for row in outbox.unsent(1)] == ["a"]

    def test_listeners_are_told_after_the_commit_and_of_no_row_that_was_undone(self) -> None:
        with Orders() as orders:
            outbox = Outbox(orders)
            seen: list[int] = []
            outbox.listeners.append(lambda: seen.append(len(outbox.unsent())))
            with orders.transaction():
                outbox.add("ordered", "a")
                assert seen == []
            assert seen == [1]
            with suppress(KeyError), orders.transaction():
                outbox.add("ordered", "b")
                raise KeyError
            orders.place("c", 30)
            assert seen == [1]

    def test_reading_on_from_the_last_number_misses_a_row_that_commits_late(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "orders.db"
        with Orders(path) as early, Orders(path) as late, Orders(path) as reading:
            relay = Outbox(reading)
            insert = "INSERT INTO outbox (number, event, key) VALUES (?, 'ordered', ?)"
            # Both transactions are open, and have drawn their numbers: 1 and 2.
            late.execute("BEGIN")
            early.execute("BEGIN")
            early.execute(insert, (2, "b"))
            early.execute("COMMIT")
            (read,) = relay.after(0)
            assert read.key == "b"
            relay.mark(read.id)
            late.execute(insert, (1, "a"))
            late.execute("COMMIT")
            assert relay.after(read.number) == []
            assert [row.key for row in relay.unsent()] == ["a"]

    def test_of_two_transactions_that_want_to_write_one_waits(self, tmp_path: Path) -> None:
        # SQLite itself lets only one of them write: the second waits, and so commits later with the
        # larger id, unless the number is drawn before.
        path = tmp_path / "orders.db"
        with Orders(path) as one:
            Outbox(one)
            other = sqlite3.connect(path, timeout=0)
            with one.transaction():
                one.place("a", 30)
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    other.execute("INSERT INTO outbox (number, event, key) VALUES (1, 'e', 'k')")
            other.close()


class TestInbox:
    def test_an_effect_happens_once_and_its_answer_is_given_again(self) -> None:
        with Stock() as stock:
            inbox = Inbox(stock)
            stock.open("chair", 5)
            answers = [inbox.once("m", lambda: stock.reserve("chair")) for _ in range(3)]
            assert answers == [DONE] * 3
            assert stock.reserved("chair") == 1

    def test_a_refusal_is_remembered_too(self) -> None:
        with Stock() as stock:
            inbox = Inbox(stock)
            stock.open("chair", 0)
            assert inbox.once("m", lambda: stock.reserve("chair")) == REFUSED
            stock.open("table", 1)
            assert inbox.once("m", lambda: stock.reserve("table")) == REFUSED

    def test_an_effect_that_fails_leaves_no_note(self) -> None:
        def fail() -> str:
            stock.reserve("chair")
            raise KeyError

        with Stock() as stock:
            inbox = Inbox(stock)
            stock.open("chair", 5)
            with pytest.raises(KeyError):
                inbox.once("m", fail)
            assert inbox.answer("m") is None
            assert stock.reserved("chair") == 0

    def test_a_store_of_its_own_is_not_undone_with_the_effect(self) -> None:
        def fail() -> str:
            stock.reserve("chair")
            raise KeyError

        with Stock() as stock, Database() as other:
            stock.open("chair", 5)
            notes = Inbox(other)
            with pytest.raises(KeyError):
                notes.once("m", fail)
            assert notes.answer("m") is None
            assert stock.reserved("chair") == 1

    def test_what_was_done_is_undone_once(self) -> None:
        with Stock() as stock:
            inbox = Inbox(stock)
            stock.open("chair", 1)
            inbox.once("m", lambda: stock.reserve("chair"))
            assert inbox.once("n", lambda: stock.reserve("chair")) == REFUSED
            for _ in range(2):
                inbox.undo("m", lambda: stock.release("chair"))
                inbox.undo("n", lambda: stock.release("chair"))
            assert (stock.free("chair"), stock.reserved("chair")) == (1, 0)

    def test_what_was_undone_before_it_came_is_refused(self) -> None:
        with Stock() as stock:
            inbox = Inbox(stock)
            stock.open("chair", 1)
            inbox.undo("m", lambda: stock.release("chair"))
            assert inbox.once("m", lambda: stock.reserve("chair")) == REFUSED
            assert (stock.free("chair"), stock.reserved("chair")) == (1, 0)


class TestSagaLog:
    def test_it_tells_how_far_a_saga_has_come(self) -> None:
        with SagaLog() as log:
            log.begin("a", "create")
            log.end("a", "create", DONE)
            log.begin("a", "reserve")
            log.begin("b", "create")
            log.begin("a", "create")
            assert log.outcomes("a") == {"create": DONE, "reserve": None}
            assert log.sagas() == ["a", "b"]


class TestServices:
    def test_they_are_all_files_of_a_folder_and_stay_as_they_were(self, tmp_path: Path) -> None:
        with Services(tmp_path, money=100, goods=3) as services:
            services.orders.place("a", 30, "approved")
            services.charge("a")
            services.reserve()
            assert services.broken() == ()
        with Services(tmp_path, money=100, goods=3) as services:
            assert services.broken() == ()
            assert services.bank.balance("shop") == 30
        assert {path.name for path in tmp_path.glob("*.db")} >= {
            *("orders.db", "stock.db", "bank.db", "sagas.db"),
        }

    @pytest.mark.parametrize(
        ("act", "broken"),
        [
            (lambda its: its.bank.open("shop2", 1), ()),
            (lambda its: its.charge("a"), ("shop = price × approved",)),
            (lambda its: its.reserve(), ("reserved = approved",)),
            (lambda its: its.orders.place("a", 30), ("none pending",)),
            (lambda its: its.log.begin("a", "create"), ("none pending",)),
            (
                lambda its: its.orders.execute("INSERT INTO orders VALUES (1, 'a', 0, 'approved')"),
                ("reserved = approved",),
            ),
            (
                lambda its: [its.orders.place("a", 30, "rejected", once=False) for _ in "ab"],
                ("one order per key",),
            ),
            (
                lambda its: its.bank.execute("UPDATE accounts SET balance = 99"),
                ("customer + shop is constant", "shop = price × approved"),
            ),
            (
                lambda its: its.stock.execute("UPDATE stock SET free = 0"),
                ("free + reserved is constant",),
            ),
        ],
    )
    def test_each_invariant_notices_what_breaks_it(self, act: Any, broken: Any) -> None:
        with Services(money=100, goods=3) as services:
            act(services)
            assert services.broken() == broken
