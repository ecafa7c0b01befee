"""Calls: requests and replies inside the program, by HTTP's rules."""

from .request import Outcome, Reply, Request, Service

__all__ = ["Outcome", "Reply", "Request", "Service"]
