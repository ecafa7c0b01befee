"""Arrivals that come in bursts: a Poisson stream whose rate switches by chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simlib.theory import checks
from simlib.theory.birth_death import Floats
from simlib.theory.results import Queue


def mmpp_m1(
    arrival_rates: Sequence[float], switch_rates: Sequence[float], service_rate: float
) -> Queue:
    """One exponential server, Poisson arrivals that alternate between two rates.

    Parameters
    ----------
    arrival_rates
        Arrivals in each of the two moods (per second), >= 0, not both 0.
    switch_rates
        Rate of leaving each mood (per second), > 0; moods last exponential times.
    service_rate
        Services the server completes when busy (per second), > 0.

    Returns
    -------
    Queue
        `p_wait` is what arrivals see. It exceeds `utilisation`, what time sees: bursts arrive at
        a busy server.

    Raises
    ------
    UnstableError
        If the average of the arrival rates reaches `service_rate`.

    Notes
    -----
    MMPP(2)/M/1, a quasi-birth-death process: Neuts (1981), *Matrix-Geometric Solutions*, solved by
    the logarithmic reduction of Latouche and Ramaswami (1993).
    """
    rates = checks.each("arrival_rates", arrival_rates, _arrivals)
    switches = checks.each("switch_rates", switch_rates, checks.rate)
    service = checks.rate("service_rate", service_rate)
    if len(rates) != 2 or len(switches) != 2:
        raise ValueError(
            "arrival_rates and switch_rates must have two items each, "
            f"got {len(rates)} and {len(switches)}"
        )
    leave_first, leave_second = switches
    shares = np.array([leave_second, leave_first]) / (leave_first + leave_second)
    arrivals = float(shares @ rates)
    if arrivals == 0:
        raise ValueError("arrival_rates must not both be 0 per second")
    load = arrivals / service
    checks.stable(load)
    up = np.diag(rates)
    down = service * np.eye(2)
    moods = np.array([[-leave_first, leave_first], [leave_second, -leave_second]])
    stay = moods - up - down
    growth = up @ np.linalg.inv(-stay - up @ _first_passage(up, stay, down))
    # The mood on an empty system: level 0 in balance, and all levels together make 1.
    more = np.linalg.inv(np.eye(2) - growth)
    balance = (moods - up + growth @ down).T
    balance[-1] = more.sum(axis=1)
    empty = np.linalg.solve(balance, [0.0, 1.0])
    in_system = float((empty @ growth @ more @ more).sum())
    sojourn = in_system / arrivals
    return Queue(
        throughput=arrivals,
        utilisation=load,
        L=in_system,
        Lq=in_system - load,
        W=sojourn,
        Wq=sojourn - 1 / service,
        p_wait=1 - float(empty @ rates) / arrivals,
    )


def _arrivals(name: str, value: object) -> float:
    return checks.non_negative(name, value, "per second")


def _first_passage(up: Floats, stay: Floats, down: Floats) -> Floats:
    """Entry i, j: probability that a level, entered in mood i, is left downwards in mood j."""
    leaving = np.linalg.inv(-stay)
    rise, fall = leaving @ up, leaving @ down
    passage, detour = fall.copy(), rise.copy()
    while detour.max() > 1e-16:
        both = np.linalg.inv(np.eye(2) - rise @ fall - fall @ rise)
        rise, fall = both @ rise @ rise, both @ fall @ fall
        passage += detour @ fall
        detour = detour @ rise
    return passage
