"""A line on which requests and replies get lost: whoever calls can't tell which of the two."""

from __future__ import annotations

from random import Random

from .request import Outcome, Reply, Request, Service

__all__ = ["LossyLine"]


class LossyLine:
    """Passes requests on to a service, but for those that get lost, on the way there or back.

    Either way the caller's patience ends, and that is all it knows: ``Outcome.TIMED_OUT``. A
    request that was lost has had no effect, and one whose reply was lost has.

    Parameters
    ----------
    service : Service
        Who answers.
    requests, replies : float
        Which part of the requests, and of the replies to the others, gets lost; from 0 to 1.
    seed : int
        What decides which.
    """

    def __init__(
        self, service: Service, *, requests: float = 0.0, replies: float = 0.0, seed: int = 0
    ) -> None:
        for name, part in (("requests", requests), ("replies", replies)):
            if isinstance(part, bool) or not isinstance(part, int | float) or not 0 <= part <= 1:
                raise ValueError(f"{name} must be a number from 0 to 1, got {part!r}")
        self.service = service
        self.requests = requests
        self.replies = replies
        self.lost = 0
        """How many requests and replies were lost."""
        self._luck = Random(seed)

    def handle(self, request: Request) -> Reply:
        """Answer one request, if it and its reply arrive."""
        if self._luck.random() >= self.requests:
            reply = self.service.handle(request)
            if self._luck.random() >= self.replies:
                return reply
        self.lost += 1
        return Reply(Outcome.TIMED_OUT)
