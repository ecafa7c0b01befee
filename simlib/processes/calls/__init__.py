"""Calls on simulated time: services that answer them, and those who make them."""
