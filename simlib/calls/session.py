"""What a request does in the shop's database: a transaction that counts its queries.

Every document has a *revision*: the number of the change, counted for each collection, that made
it what it is. A change may name the revisions it is meant for, and then does nothing to another.

All that can be decided by the statement itself (does it exist, is it still the same, do its
references exist) is decided there, so that a change costs one query.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from .documents import ID, Collection
from .errors import (
    ConflictError,
    Fault,
    NotFoundError,
    PreconditionFailedError,
    UnprocessableError,
)
from .request import Queries

__all__ = ["ANY", "Document", "Expected", "Listing", "Session"]

Document = dict[str, Any]
"""A document as a caller reads it: ``id``, and the fields of its collection."""

_NEXT = "(SELECT last + 1 FROM revisions WHERE collection = '{name}')"


class _Any:
    """Stands for every revision that a document can have."""


ANY: Final = _Any()


@dataclass(frozen=True)
class Expected:
    """What must hold of a document for a change to happen.

    Parameters
    ----------
    among : frozenset of int, optional
        The revisions it may have, by ``If-Match``.
    not_among : frozenset of int or ANY
        Those it may not have, by ``If-None-Match``.
    """

    among: frozenset[int] | None = None
    not_among: frozenset[int] | _Any = frozenset()

    def holds(self, revision: int) -> bool:
        """Whether a document of this revision is as expected."""
        if isinstance(self.not_among, _Any) or revision in self.not_among:
            return False
        return self.among is None or revision in self.among

    def clause(self) -> tuple[str, list[int]]:
        """The same in SQL, and its parameters."""
        sql, parameters = "", []
        if self.among is not None:
            sql += f" AND revision IN ({_marks(self.among)})"
            parameters += sorted(self.among)
        if isinstance(self.not_among, _Any):
            sql += " AND 0"
        elif self.not_among:
            sql += f" AND revision NOT IN ({_marks(self.not_among)})"
            parameters += sorted(self.not_among)
        return sql, parameters


@dataclass(frozen=True)
class Listing:
    """Documents of a collection, and its revision when they were read."""

    documents: list[Document]
    revision: int
    more: bool = False
    """Whether others come after these."""


class Session:
    """One transaction; counts its queries. BEGIN and COMMIT are none.

    ``with session.together():`` says that the queries inside don't wait for one another, as a
    service does that sends them on several connections.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._made = self._in_series = 0
        self._together = False
        self.created: tuple[str, int] | None = None
        """Collection and id of the document that was last created here, if one was."""

    @property
    def queries(self) -> Queries:
        """How many queries were made so far."""
        return Queries(self._made, self._in_series)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Count the queries inside as one deep."""
        before = self._made
        self._together = True
        try:
            yield
        finally:
            self._together = False
            self._in_series += self._made > before

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Make a query: its rows."""
        self._made += 1
        self._in_series += not self._together
        return self._connection.execute(sql, parameters).fetchall()

    def get(self, collection: Collection, id_: int) -> tuple[Document, int]:
        """A document and its revision.

        Raises
        ------
        NotFoundError
        """
        rows = self.run(f"SELECT {_columns(collection)} FROM {collection.name} WHERE id = ?", [id_])
        if not rows:
            raise NotFoundError(f"there is no {id_} among the {collection.name}")
        return _document(collection, rows[0]), rows[0][-1]

    def lookup(
        self, collection: Collection, ids: Sequence[int]
    ) -> tuple[list[Document | None], int]:
        """Documents in the order of their ids, None for a gap; and the collection's revision."""
        inner = f"SELECT * FROM {collection.name} WHERE id IN ({_marks(ids)})"
        found, revision = self._with_revision(collection, inner, ids)
        by_id = {document["id"]: document for document in found}
        return [by_id.get(str(id_)) for id_ in ids], revision

    def page(
        self, collection: Collection, limit: int, offset: int = 0, after: int | None = None
    ) -> Listing:
        """Documents, the newest first.

        Parameters
        ----------
        limit : int
            The most documents.
        offset : int
            How many to leave out: those that others push down come twice.
        after : int, optional
            Only those that come after this id, whatever has become of the ones before.
        """
        where = "" if after is None else "WHERE id < ?"
        inner = f"SELECT * FROM {collection.name} {where} ORDER BY id DESC LIMIT ? OFFSET ?"
        bounds = [*([] if after is None else [after]), limit + 1, offset]
        found, revision = self._with_revision(collection, inner, bounds)
        return Listing(found[:limit], revision, len(found) > limit)

    def _with_revision(
        self, collection: Collection, inner: str, parameters: Sequence[int]
    ) -> tuple[list[Document], int]:
        """What a query finds, and the collection's revision, at once."""
        rows = self.run(
            f"SELECT {_columns(collection)}, last FROM revisions LEFT JOIN ({inner}) ON 1"
            " WHERE collection = ? ORDER BY id DESC",
            [*parameters, collection.name],
        )
        found = [_document(collection, row) for row in rows if row[0] is not None]
        return found, rows[0][-1]

    def orders_of(
        self, orders: Collection, customers: Sequence[int], limit: int
    ) -> list[list[Document]]:
        """Each customer's newest orders, in the order of the customers; of some there are none."""
        rows = self.run(
            f"SELECT {_columns(orders)} FROM (SELECT *, row_number() OVER"
            " (PARTITION BY customer ORDER BY id DESC) AS place FROM orders"
            f" WHERE customer IN ({_marks(customers)})) WHERE place <= ? ORDER BY id DESC",
            [*customers, limit],
        )
        found: dict[str, list[Document]] = {str(customer): [] for customer in customers}
        for row in rows:
            document = _document(orders, row)
            found[document["customer"]].append(document)
        return [found[str(customer)] for customer in customers]

    def overviews(
        self, limit: int = 1, offset: int = 0, order: int | None = None
    ) -> list[Document]:
        """Orders with the names of their customers and products; the newest, or one of them."""
        where = "" if order is None else "WHERE orders.id = ?"
        rows = self.run(
            "SELECT orders.id, quantity, status, customers.name, products.name FROM orders"
            " JOIN customers ON customers.id = customer JOIN products ON products.id = product"
            f" {where} ORDER BY orders.id DESC LIMIT ? OFFSET ?",
            [*([] if order is None else [order]), limit, offset],
        )
        return [
            {
                "id": str(id_),
                "quantity": quantity,
                "status": status,
                "customer": {"name": customer},
                "product": {"name": product},
            }
            for id_, quantity, status, customer, product in rows
        ]

    def add(self, collection: Collection, values: Mapping[str, Any]) -> tuple[Document, int]:
        """A new document, and its revision.

        Raises
        ------
        UnprocessableError
            What it refers to doesn't exist.
        ConflictError
            A value that only one may have is taken.
        """
        fields = list(collection.fields)
        rows = self._written(
            collection,
            values,
            f"INSERT INTO {collection.name} ({', '.join(fields)}, revision)"
            f" VALUES ({_marks(fields)}, {_NEXT.format(name=collection.name)})"
            f" RETURNING {_columns(collection)}",
            [_stored(collection, name, values[name]) for name in fields],
        )
        self.created = (collection.name, rows[0][0])
        return _document(collection, rows[0]), rows[0][-1]

    def change(
        self,
        collection: Collection,
        id_: int,
        values: Mapping[str, Any],
        expected: Expected = Expected(),
    ) -> tuple[Document, int]:
        """Set some of a document's values: what it is now, and its revision.

        Raises
        ------
        NotFoundError, PreconditionFailedError, UnprocessableError, ConflictError
            Nothing was changed.
        """
        if not values:
            document, revision = self.get(collection, id_)
            if not expected.holds(revision):
                raise _changed(collection, id_)
            return document, revision
        clause, bounds = expected.clause()
        rows = self._written(
            collection,
            values,
            f"UPDATE {collection.name} SET {', '.join(f'{name} = ?' for name in values)},"
            f" revision = {_NEXT.format(name=collection.name)}"
            f" WHERE id = ?{clause} RETURNING {_columns(collection)}",
            [*(_stored(collection, name, value) for name, value in values.items()), id_, *bounds],
        )
        if not rows:
            self.get(collection, id_)
            raise _changed(collection, id_)
        return _document(collection, rows[0]), rows[0][-1]

    def remove(self, collection: Collection, id_: int, expected: Expected = Expected()) -> None:
        """Delete a document; its id is never given again.

        Raises
        ------
        NotFoundError, PreconditionFailedError
        ConflictError
            Others refer to it.
        """
        clause, bounds = expected.clause()
        sql = f"DELETE FROM {collection.name} WHERE id = ?{clause} RETURNING id"
        try:
            rows = self.run(sql, [id_, *bounds])
        except sqlite3.IntegrityError:
            raise ConflictError(
                f"there are orders that refer to {id_}; delete them first"
            ) from None
        if not rows:
            self.get(collection, id_)
            raise _changed(collection, id_)

    def _written(
        self, collection: Collection, values: Mapping[str, Any], sql: str, parameters: list[Any]
    ) -> list[Any]:
        try:
            return self.run(sql, parameters)
        except sqlite3.IntegrityError as error:
            if "FOREIGN KEY" not in str(error):
                taken = collection.unique
                raise ConflictError(
                    f"another of the {collection.name} has this {taken}",
                    faults=[Fault(f"#/{taken}", "is taken")],
                ) from None
        faults = [
            Fault(f"#/{name}", f"must be one of the {other}, and {values[name]!r} is not")
            for name, other in collection.references.items()
            if name in values
            and not self.run(f"SELECT 1 FROM {other} WHERE id = ?", [int(values[name])])
        ]
        raise UnprocessableError("it refers to what doesn't exist", faults=faults)


def _changed(collection: Collection, id_: int) -> PreconditionFailedError:
    return PreconditionFailedError(
        f"{id_} of the {collection.name} is not as expected; read it again before you change it"
    )


def _marks(values: Sequence[Any] | frozenset[int]) -> str:
    return ", ".join("?" * len(values))


def _columns(collection: Collection) -> str:
    return ", ".join(["id", *collection.fields, "revision"])


def _document(collection: Collection, row: Sequence[Any]) -> Document:
    document: Document = {"id": str(row[0])}
    for (name, schema), value in zip(collection.fields.items(), row[1:], strict=False):
        document[name] = str(value) if schema is ID else value
    return document


def _stored(collection: Collection, name: str, value: Any) -> Any:
    return int(value) if collection.fields[name] is ID else value
