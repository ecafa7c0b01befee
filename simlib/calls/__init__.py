"""Calls: requests and replies inside the program, by HTTP's rules.

A service of a shop (orders, customers, products, in SQLite) answers in three styles: RPC, REST
and GraphQL. What is said here with SQLite is what the same handlers say on a real socket.
"""

from .documents import CUSTOMERS, ORDERS, PRODUCTS
from .errors import ClientError, HttpError, ServerError
from .http import Route
from .loader import Loader, Turn
from .lossy import LossyLine
from .request import Outcome, Queries, Reply, Request, Service
from .service import ShopService
from .shop import Shop
from .wire import reply_bytes, request_bytes

__all__ = [
    "CUSTOMERS",
    "ORDERS",
    "PRODUCTS",
    "ClientError",
    "HttpError",
    "Loader",
    "LossyLine",
    "Outcome",
    "Queries",
    "Reply",
    "Request",
    "Route",
    "ServerError",
    "Service",
    "Shop",
    "ShopService",
    "Turn",
    "reply_bytes",
    "request_bytes",
]
