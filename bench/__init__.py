"""How fast simlib is, beside its peers and beside its goals. `python -m bench` measures it."""
