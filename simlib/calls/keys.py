"""Idempotency keys: what was answered to a key is kept in the transaction of its effect.

Either both are there or neither, so a caller that never got its answer asks again with the same
key, and finds the answer or has it done: once. A request that is refused leaves no key.

Keys are kept as long as the shop. A service with much traffic forgets them after a day or so, and
says how long that is, for after it a retry is a new order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from .documents import COLLECTIONS, Schema
from .errors import BadRequestError, ConflictError, NotFoundError, UnprocessableError
from .request import Reply, Request
from .session import Session

__all__ = ["KEY", "LONGEST", "once"]

LONGEST = 255
"""The most characters of a key."""
KEY: Final[Schema] = MappingProxyType(
    {"type": "string", "pattern": "^[!-~]([ -~]*[!-~])?$", "maxLength": LONGEST}
)
"""What a key may be; spaces around it would not survive the way."""


def once(session: Session, request: Request, answer: Callable[[], Reply]) -> Reply:
    """Answer a request, or say again what was answered to its ``Idempotency-Key``.

    Raises
    ------
    BadRequestError
        The key is empty, too long, or not of printable characters.
    UnprocessableError
        The key belongs to another request.
    ConflictError
        What was created for it has been deleted since, so its answer is true no longer.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return answer()
    if not (0 < len(key) <= LONGEST and key.isascii() and key.isprintable()):
        raise BadRequestError(
            f"Idempotency-Key must have from 1 to {LONGEST} printable ASCII characters"
        )
    fingerprint = _fingerprint(request)
    kept = session.run(
        "SELECT fingerprint, made, status, headers, body FROM keys WHERE key = ?", [key]
    )
    if not kept:
        reply = answer()
        if reply.ok:
            row = [key, fingerprint, json.dumps(session.created), reply.status]
            session.run(
                "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?)",
                [*row, json.dumps(dict(reply.headers)), reply.body],
            )
        return reply
    before, made, status, headers, body = kept[0]
    if before != fingerprint:
        raise UnprocessableError("this Idempotency-Key was used for another request")
    created = json.loads(made)
    if created is not None:
        name, id_ = created
        try:
            session.get(COLLECTIONS[name], id_)
        except NotFoundError:
            raise ConflictError(
                f"{id_} of the {name} was created for this Idempotency-Key and deleted since"
            ) from None
    reply = Reply(status=status, body=body, headers=json.loads(headers))
    return replace(reply, headers={**reply.headers, "idempotent-replayed": "true"})


def _fingerprint(request: Request) -> bytes:
    """What tells one request from another."""
    parts = [request.method, request.target, request.headers.get("content-type", "")]
    digest = hashlib.sha256()
    for part in [*(text.encode("utf-8", "surrogatepass") for text in parts), request.body]:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()
