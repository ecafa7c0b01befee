"""Random streams by name, draws by number, and what happens by chance."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from itertools import islice

import numpy as np
import pytest

from simlib import Environment, Exponential, LogNormal, Replay
from simlib.processes import Draws
from simlib.processes.draws import happens, samples


def _draws(seed: int, name: str) -> list[float]:
    return Environment(seed).stream(name).random(5).tolist()


def test_the_same_seed_and_name_give_the_same_stream() -> None:
    assert _draws(1, "producer") == _draws(1, "producer")
    assert _draws(np.int64(1), "producer") == _draws(1, "producer")


def test_another_name_or_another_seed_gives_another_stream() -> None:
    streams = [_draws(seed, name) for seed in (0, 1, 2) for name in ("a", "b", "A", "", "ab", "é")]
    assert len({tuple(draws) for draws in streams}) == len(streams)


def test_streams_of_different_names_are_unrelated() -> None:
    env = Environment(1)
    one, other = (env.stream(name).standard_normal(20_000) for name in ("one", "other"))
    # The correlation of 20,000 unrelated pairs has a standard error of 0.0071.
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 * 0.0071


def test_a_stream_does_not_depend_on_which_others_there_are() -> None:
    env = Environment(1)
    env.stream("before").random(100)
    drawn = env.stream("mine").random(5).tolist()
    assert drawn == _draws(1, "mine")


def test_a_name_is_given_out_once() -> None:
    env = Environment(1)
    env.stream("producer")
    with pytest.raises(ValueError, match="'producer' is taken"):
        env.stream("producer")
    env.stream("another")


def test_another_python_process_draws_the_same() -> None:
    code = (
        "import hashlib, sys; from simlib import Environment;"
        "drawn = Environment(42).stream('the producer').standard_exponential(1000);"
        "print(hashlib.sha256(drawn.tobytes()).hexdigest())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    drawn = Environment(42).stream("the producer").standard_exponential(1000)
    assert run.stdout.strip() == hashlib.sha256(drawn.tobytes()).hexdigest()


def test_the_draw_of_a_number_does_not_depend_on_the_order_of_asking() -> None:
    numbers = [9_000, 0, 4_096, 4_095, 5]
    forwards, backwards = (Draws(LogNormal(1.0, 2.0), np.random.default_rng(3)) for _ in range(2))
    ahead = [forwards[number] for number in sorted(numbers)]
    assert [backwards[number] for number in sorted(numbers, reverse=True)] == ahead[::-1]
    assert [forwards[number] for number in sorted(numbers)] == ahead


def test_draws_are_the_distribution_s_own_sequence() -> None:
    draws = Draws(Exponential(2.0), np.random.default_rng(3))
    blocks = Exponential(2.0).blocks(np.random.default_rng(3))
    drawn = [draws[number] for number in range(6_000)]
    np.testing.assert_array_equal(drawn, [*next(blocks), *next(blocks)][:6_000])


def test_draws_that_are_used_up_say_so() -> None:
    draws = Draws(Replay([1.0, 2.0]), np.random.default_rng(3))
    assert [draws[0], draws[1]] == [1.0, 2.0]
    with pytest.raises(IndexError, match=r"Replay.* 2 values, and message 3 needs one"):
        draws[2]


def test_samples_are_the_distribution_s_own_sequence() -> None:
    drawn = list(islice(samples(Exponential(2.0), Environment(3), "mine"), 6_000))
    blocks = Exponential(2.0).blocks(Environment(3).stream("mine"))
    np.testing.assert_array_equal(drawn, [*next(blocks), *next(blocks)][:6_000])


def test_what_happens_by_chance_happens_as_often_as_it_should() -> None:
    luck = list(islice(happens(Environment(3), "luck", 0.3), 20_000))
    # The share among 20,000 has a standard error of 0.0032.
    assert abs(np.mean(luck) - 0.3) < 4 * 0.0032


def test_what_never_or_always_happens_does() -> None:
    env = Environment(3)
    assert not any(islice(happens(env, "never", 0.0), 100))
    assert all(islice(happens(env, "always", 1.0), 100))
    env.stream("never")  # What can't happen needs no stream.
