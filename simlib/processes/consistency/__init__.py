"""Orders that cross services with a database each, and crash on their way."""
