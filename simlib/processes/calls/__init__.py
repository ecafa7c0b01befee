"""Services that answer calls, and those who call them."""
