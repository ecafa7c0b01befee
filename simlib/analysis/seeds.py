"""The seeds of replications."""

from __future__ import annotations

import numpy as np

from .arguments import whole

__all__ = ["run_seeds"]


def run_seeds(replications: int, seed: int) -> list[int]:
    """The seeds of replications 0, 1, 2, …: the same for every scenario, however many there are."""
    count, entropy = whole("replications", replications), whole("seed", seed, 0)
    sequences = (np.random.SeedSequence(entropy, spawn_key=(k,)) for k in range(count))
    # 53 bits: so many survive in a table of floats, and in JSON.
    return [
        int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(11)) for sequence in sequences
    ]
