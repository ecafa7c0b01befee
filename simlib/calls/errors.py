"""What a service refuses, by HTTP's status codes, as exceptions.

::

    HttpError
      ClientError                     the caller must change something
        BadRequestError           400   it can't be read: no JSON, no such parameter, a bad header
        NotFoundError             404   nothing has this address
        MethodNotAllowedError     405   something has, but doesn't know this method
        ConflictError             409   it contradicts what is there
        PreconditionFailedError   412   it has changed since the caller read it
        ContentTooLargeError      413
        UriTooLongError           414
        UnsupportedMediaTypeError 415   the body is in a language the service doesn't read
        UnprocessableError        422   it can be read, but its values make no sense
        PreconditionRequiredError 428   it would overwrite blindly; send If-Match
        TooManyRequestsError      429   refused before any work: this caller sends too much
      ServerError                     the caller did nothing wrong
        InternalServerError       500
        UnavailableError          503   refused before any work: overloaded, or about to stop

The bodies are ``application/problem+json`` (RFC 9457); the codes are those of RFC 9110 and
RFC 6585.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from .request import Outcome, Reply

__all__ = [
    "BadRequestError",
    "ClientError",
    "ConflictError",
    "ContentTooLargeError",
    "Fault",
    "HttpError",
    "InternalServerError",
    "MethodNotAllowedError",
    "NotFoundError",
    "PreconditionFailedError",
    "PreconditionRequiredError",
    "ServerError",
    "TooManyRequestsError",
    "UnavailableError",
    "UnprocessableError",
    "UnsupportedMediaTypeError",
    "UriTooLongError",
    "encode",
]


def encode(value: Any) -> bytes:
    """JSON without spaces.

    Half a surrogate pair, which JSON can say and UTF-8 can't, is written as its escape.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a body: where, and what would be right."""

    pointer: str
    """The place, as a JSON pointer (RFC 6901) in a fragment: ``#/quantity``."""
    detail: str


class HttpError(Exception):
    """A request that is not answered as asked.

    Parameters
    ----------
    detail : str
        What was wrong, and what is allowed.
    headers : mapping, optional
        What the reply says besides.
    faults : sequence of Fault
        Each wrong value of a body, with its place.
    """

    status: ClassVar[int]
    outcome: ClassVar[Outcome] = Outcome.FAILED

    def __init__(
        self, detail: str, headers: Mapping[str, str] | None = None, faults: Sequence[Fault] = ()
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.faults = tuple(faults)

    def reply(self) -> Reply:
        """The problem, as the caller gets to read it."""
        problem: dict[str, Any] = {
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.faults:
            problem["errors"] = [
                {"pointer": fault.pointer, "detail": fault.detail} for fault in self.faults
            ]
        headers = {"content-type": "application/problem+json", **self.headers}
        return Reply(self.outcome, self.status, encode(problem), headers)


class ClientError(HttpError):
    """The caller must change something before it asks again."""


class ServerError(HttpError):
    """The service couldn't do what it should; the same request may succeed later."""


class BadRequestError(ClientError):
    """The request can't be read."""

    status = 400


class NotFoundError(ClientError):
    """Nothing has this address."""

    status = 404


class MethodNotAllowedError(ClientError):
    """What has this address doesn't know this method; ``Allow`` lists those it knows."""

    status = 405

    def __init__(self, method: str, path: str, allowed: str) -> None:
        super().__init__(f"{path} doesn't know {method}, only {allowed}", {"allow": allowed})


class ConflictError(ClientError):
    """It contradicts what is there."""

    status = 409


class PreconditionFailedError(ClientError):
    """What the caller read has changed since, or is not as it expects."""

    status = 412


class ContentTooLargeError(ClientError):
    """The body is longer than the service reads."""

    status = 413


class UriTooLongError(ClientError):
    """The target is longer than the service reads."""

    status = 414


class UnsupportedMediaTypeError(ClientError):
    """The body is in a language that the service doesn't read here."""

    status = 415


class UnprocessableError(ClientError):
    """The body can be read, but its values make no sense."""

    status = 422


class PreconditionRequiredError(ClientError):
    """It would overwrite what others may have changed; the service wants If-Match."""

    status = 428


class TooManyRequestsError(ClientError):
    """Refused before any work, for this caller sends too much."""

    status, outcome = 429, Outcome.REFUSED


class InternalServerError(ServerError):
    """A defect of the service."""

    status = 500


class UnavailableError(ServerError):
    """Refused before any work: overloaded, or waiting for what it needs."""

    status, outcome = 503, Outcome.REFUSED
