"""What orders, customers and products are made of, and whether a body is one of them.

Each field is a piece of JSON Schema: it says what is allowed, checks a value, and is what a
description of the service quotes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from .errors import BadRequestError, Fault, UnprocessableError

__all__ = [
    "COLLECTIONS",
    "CUSTOMERS",
    "ID",
    "ORDERS",
    "PRODUCTS",
    "Collection",
    "Schema",
    "checked",
    "decode",
    "is_id",
]

Schema = Mapping[str, Any]

_ID = re.compile(r"[1-9][0-9]{0,17}")
# Callers take an id as it is, so that one day it may be something else than digits; hence text.
ID: Final[Schema] = MappingProxyType({"type": "string", "pattern": "^[1-9][0-9]{0,17}$"})


def is_id(text: object) -> bool:
    """Whether a value could be the id of anything here."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def _text(longest: int, shortest: int = 0) -> Schema:
    return MappingProxyType({"type": "string", "minLength": shortest, "maxLength": longest})


def _whole(low: int, high: int) -> Schema:
    return MappingProxyType({"type": "integer", "minimum": low, "maximum": high})


@dataclass(frozen=True)
class Collection:
    """Documents of one kind.

    Parameters
    ----------
    name : str
        What their address begins with, and their table is called.
    fields : mapping of str to Schema
        What a caller may set, in the order of the document; ``id`` stands before them all.
    defaults : mapping of str to value
        What stands where a new document says nothing.
    references : mapping of str to str
        Fields that are ids of documents in another collection, and which.
    unique : str, optional
        The field whose value only one document may have.
    """

    name: str
    fields: Mapping[str, Schema]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    unique: str | None = None

    @property
    def required(self) -> frozenset[str]:
        """What a new document must say."""
        return frozenset(self.fields) - frozenset(self.defaults)

    @property
    def document(self) -> Schema:
        """What a caller reads, in JSON Schema."""
        properties = {"id": {**ID, "readOnly": True}, **self.fields}
        return {"type": "object", "properties": properties, "required": ["id", *self.fields]}

    @property
    def patch(self) -> Mapping[str, Schema]:
        """What a merge patch may set; what has a default may be null."""
        return {name: self._nullable(name, schema) for name, schema in self.fields.items()}

    def _nullable(self, name: str, schema: Schema) -> Schema:
        if name not in self.defaults:
            return schema
        more = {"enum": (*schema["enum"], None)} if "enum" in schema else {}
        return {**schema, "type": (schema["type"], "null"), **more}

    def new(self, body: Any) -> dict[str, Any]:
        """The values of a document to be, complete.

        Raises
        ------
        UnprocessableError
            Something is missing, unknown or not allowed.
        """
        return {**self.defaults, **checked(body, self.fields, self.required)}

    def whole(self, body: Any, id_: int) -> dict[str, Any]:
        """The values of a document that is there, as it shall be: nothing may be left out."""
        values = checked(body, {"id": ID, **self.fields}, frozenset(self.fields))
        return self._same(values, id_)

    def changes(self, body: Any, id_: int) -> dict[str, Any]:
        """The values that a merge patch (RFC 7396) sets; null takes one back to its default."""
        if isinstance(body, dict):
            body = {
                name: self.defaults.get(name) if value is None else value
                for name, value in body.items()
            }
        return self._same(checked(body, {"id": ID, **self.fields}, frozenset()), id_)

    def _same(self, values: dict[str, Any], id_: int) -> dict[str, Any]:
        if values.pop("id", str(id_)) != str(id_):
            fault = Fault("#/id", f"must be {str(id_)!r}, as in the address: an id never changes")
            raise UnprocessableError("the body is about another document", faults=[fault])
        return values


CUSTOMERS = Collection(
    "customers",
    {"name": _text(100, 1), "email": _text(200, 3), "address": _text(300)},
    defaults={"address": ""},
    unique="email",
)
PRODUCTS = Collection(
    "products",
    {"name": _text(100, 1), "price": _whole(0, 100_000_000), "description": _text(2000)},
    defaults={"description": ""},
)
ORDERS = Collection(
    "orders",
    {
        "customer": ID,
        "product": ID,
        "quantity": _whole(1, 10_000),
        "status": MappingProxyType(
            {"type": "string", "enum": ("placed", "confirmed", "shipped", "cancelled")}
        ),
        "note": _text(500),
    },
    defaults={"status": "placed", "note": ""},
    references={"customer": "customers", "product": "products"},
)
COLLECTIONS: Final[Mapping[str, Collection]] = MappingProxyType(
    {collection.name: collection for collection in (CUSTOMERS, PRODUCTS, ORDERS)}
)


def decode(body: bytes) -> Any:
    """The value of a JSON text.

    Raises
    ------
    BadRequestError
        It is none, or says a name twice, or a number that is none.
    """
    try:
        return json.loads(
            body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number
        )
    except RecursionError:
        raise BadRequestError("the body is nested too deeply") from None
    except ValueError as error:  # not UTF-8, no JSON, or a number of thousands of digits
        raise BadRequestError(f"the body must be JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object says the same name twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number in JSON")


def checked(
    body: Any, fields: Mapping[str, Schema], required: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The values of an object, each as its field allows.

    Raises
    ------
    UnprocessableError
        With every fault and its place: missing, unknown or not allowed.
    """
    if not isinstance(body, dict):
        raise UnprocessableError("the body must be a JSON object", faults=[Fault("#", "no object")])
    faults = [Fault(f"#/{name}", "is missing") for name in fields if name in required - body.keys()]
    values = {}
    for name, value in body.items():
        if name not in fields:
            pointer = name.replace("~", "~0").replace("/", "~1")
            faults.append(Fault(f"#/{pointer}", f"is unknown; there are {', '.join(fields)}"))
            continue
        if isinstance(value, float) and value.is_integer() and fields[name]["type"] == "integer":
            value = int(value)  # To JSON Schema, 3.0 is an integer.
        wrong = _wrong(value, fields[name])
        if wrong:
            faults.append(Fault(f"#/{name}", f"{wrong}, got {value!r:.100}"))
        values[name] = value
    if faults:
        places = "; ".join(f"{fault.pointer} {fault.detail}" for fault in faults[:5])
        raise UnprocessableError(places, faults=faults[:20])
    return values


def _wrong(value: Any, schema: Schema) -> str | None:
    """What is not as the schema has it, if anything."""
    if schema["type"] == "integer":
        low, high = schema["minimum"], schema["maximum"]
        right = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if right else f"must be a whole number from {low} to {high}"
    if not isinstance(value, str):
        return "must be text"
    if "enum" in schema:
        return None if value in schema["enum"] else f"must be one of {', '.join(schema['enum'])}"
    if "pattern" in schema:
        # Not by `re` and the pattern itself: its $ would take a line break at the end.
        return None if is_id(value) else "must be an id: up to 18 digits, no 0 before them"
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        return "must be text without halves of surrogate pairs"
    low, high = schema["minLength"], schema["maxLength"]
    return None if low <= len(value) <= high else f"must have from {low} to {high} characters"
