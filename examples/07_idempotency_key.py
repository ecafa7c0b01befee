"""An answer gets lost, and the caller asks again: with a key it has one order, without it two."""

import json

from simlib.calls import Outcome, Reply, Request, Service, ShopService
from simlib.calls.sample import sample_shop


class LossyLine:
    """Loses the first answer on its way back; the service has done the work."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.sent = 0

    def handle(self, request: Request) -> Reply:
        """Pass a request on."""
        reply = self.service.handle(request)
        self.sent += 1
        return reply if self.sent > 1 else Reply(Outcome.TIMED_OUT)


def orders(service: Service) -> int:
    """How many orders there are."""
    return len(json.loads(service.handle(Request("GET", "/orders?limit=100")).body))


body = json.dumps({"customer": "101", "product": "2001", "quantity": 3}).encode()
for headers in [{}, {"Idempotency-Key": "order of 24 November, 1"}]:
    with sample_shop() as shop:
        service = ShopService(shop)
        before, line = orders(service), LossyLine(service)
        request = Request("POST", "/orders", body, {"Content-Type": "application/json", **headers})
        while not (reply := line.handle(request)).ok:
            print(f"{reply.outcome}: ask again")
        replayed = reply.headers.get("idempotent-replayed", "false")
        print(f"{reply.status} {reply.headers['location']}, replayed: {replayed}", end="")
        print(f", new orders: {orders(service) - before}")
