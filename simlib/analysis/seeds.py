"""The seeds of replications."""

from __future__ import annotations

import numpy as np

__all__ = ["run_seeds"]


def run_seeds(replications: int, seed: int) -> list[int]:
    """The seeds of replications 0, 1, 2, …: the same for every scenario, however many there are."""
    if isinstance(replications, bool) or not isinstance(replications, int) or replications < 1:
        raise ValueError(f"replications must be a whole number >= 1, got {replications!r}")
    sequences = (np.random.SeedSequence(seed, spawn_key=(k,)) for k in range(replications))
    # 53 bits: so many survive in a table of floats, and in JSON.
    return [
        int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(11)) for sequence in sequences
    ]
