"""What the description says only in words, said to schemathesis."""

from __future__ import annotations

import re
from itertools import count
from typing import Any

import schemathesis

_NUMBERS = count()
_QUERY = {
    "limit": "[1-9][0-9]?|100",
    "offset": "[0-9]{1,18}",
    "after": "([1-9][0-9]{0,17})?",
    "ids": "[1-9][0-9]{0,17}(,[1-9][0-9]{0,17}){0,99}",
}
_IDS = {"customer": "117", "product": "2017"}
"""Ids that the sample has."""


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Ask only together what can be; name what exists; let a key be of one request.

    What is wrong stays as it is.
    """
    query = case.query or {}
    if all(re.fullmatch(_QUERY.get(name, "$^"), str(value)) for name, value in query.items()):
        for name in set(query) - {"ids"} if "ids" in query else {"after"} & set(query):
            if "ids" in query or "offset" in query:
                del query[name]
    if isinstance(case.body, dict):
        for name, id_ in _IDS.items():
            given = case.body.get(name)
            if isinstance(given, str) and re.fullmatch("[1-9][0-9]{0,17}", given):
                case.body[name] = id_
    for name in ("if-match", "if-none-match"):
        # Some of its own for these headers are none by their pattern, and said to be valid.
        if name in (case.headers or {}) and case.meta.generation.mode.is_positive:
            case.headers[name] = case.headers[name] if '"' in case.headers[name] else "*"
    key = (case.headers or {}).get("idempotency-key")
    if isinstance(key, str) and re.fullmatch("[!-~]([ -~]*[!-~])?", key) and len(key) < 256:
        case.headers["idempotency-key"] = f"{key[:200]}-{next(_NUMBERS)}"
