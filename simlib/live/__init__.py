"""The same patterns on real things."""
