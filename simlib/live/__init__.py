"""The same patterns on real things: threads and servers. Only measured time passes here."""
