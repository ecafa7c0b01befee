"""Closed forms and exact numerics that simulations are held against.

Each function takes rates (per second) and times (seconds), says where its formula comes from and
when it holds, and returns plain numbers or a frozen result. It refuses what it can't answer with
:class:`ValueError`, and a system without a steady state with :class:`UnstableError`.

Queues
    `mm1`, `mmc`, `mm1k`, `mmck`, `mg_infinity`, `erlang_b`, `erlang_c`; `mg1`, `md1`, `mdc`,
    `gm1`, `gg1`, `ggc`; `mmpp_m1`
Classes, batches and pauses
    `mg1_priority`, `mg1_batch`, `mg1_vacation`, `mg1_setup`, `mg1_breakdown`
Callers who wait, and who don't
    `closed`, `mva`, `engset`, `erlang_a`, `mmc_deadline`
Services in a row
    `tandem`, `jackson`, `sync_chain`, `pipeline`, `blocking_line`
Messaging
    `group_commit`, `group_commit_closed`, `linger`, `prefetch`, `partition_throughput`,
    `redelivery`, `retries`, `retry_amplification`, `retry_threshold`, `outage`,
    `polled_outbox`
One request, many servers
    `fan_out_slow`, `fan_out_percentile`, `fan_out_mean`, `fork_join`, `power_of_choices`,
    `redundancy`, `hedge`
Before the steady state
    `mm1_transient`, `mm1_first_n`, `mm1_run_length`, `mtm_infinity`
Scaling
    `usl`, `fit_usl`
Distributions, as the formulas take them
    `deterministic_lst`, `exponential_lst`, `erlang_lst`, `hyperexponential_lst`,
    `lognormal_survival`
"""

from simlib.extras import require

require("sim", __name__)

from simlib.theory.arrangements import (
    mg1_batch,
    mg1_breakdown,
    mg1_priority,
    mg1_setup,
    mg1_vacation,
)
from simlib.theory.batching import group_commit, group_commit_closed, linger
from simlib.theory.bursts import mmpp_m1
from simlib.theory.checks import UnstableError
from simlib.theory.closed import closed, engset, mva
from simlib.theory.constant_service import md1, mdc
from simlib.theory.fan_out import (
    fan_out_mean,
    fan_out_percentile,
    fan_out_slow,
    fork_join,
    hedge,
    lognormal_survival,
    power_of_choices,
    redundancy,
)
from simlib.theory.general import gg1, ggc, gm1, mg1
from simlib.theory.impatience import erlang_a, mmc_deadline
from simlib.theory.markov import erlang_b, erlang_c, mg_infinity, mm1, mm1k, mmc, mmck
from simlib.theory.messaging import (
    outage,
    partition_throughput,
    polled_outbox,
    prefetch,
    redelivery,
    retries,
    retry_amplification,
    retry_threshold,
)
from simlib.theory.networks import blocking_line, jackson, pipeline, sync_chain, tandem
from simlib.theory.results import LatencyQueue, Queue
from simlib.theory.scalability import fit_usl, usl
from simlib.theory.transforms import (
    deterministic_lst,
    erlang_lst,
    exponential_lst,
    hyperexponential_lst,
)
from simlib.theory.transient import mm1_first_n, mm1_run_length, mm1_transient, mtm_infinity

__all__ = [
    "LatencyQueue",
    "Queue",
    "UnstableError",
    "blocking_line",
    "closed",
    "deterministic_lst",
    "engset",
    "erlang_a",
    "erlang_b",
    "erlang_c",
    "erlang_lst",
    "exponential_lst",
    "fan_out_mean",
    "fan_out_percentile",
    "fan_out_slow",
    "fit_usl",
    "fork_join",
    "gg1",
    "ggc",
    "gm1",
    "group_commit",
    "group_commit_closed",
    "hedge",
    "hyperexponential_lst",
    "jackson",
    "linger",
    "lognormal_survival",
    "md1",
    "mdc",
    "mg1",
    "mg1_batch",
    "mg1_breakdown",
    "mg1_priority",
    "mg1_setup",
    "mg1_vacation",
    "mg_infinity",
    "mm1",
    "mm1_first_n",
    "mm1_run_length",
    "mm1_transient",
    "mm1k",
    "mmc",
    "mmc_deadline",
    "mmck",
    "mmpp_m1",
    "mtm_infinity",
    "mva",
    "outage",
    "partition_throughput",
    "pipeline",
    "polled_outbox",
    "power_of_choices",
    "prefetch",
    "redelivery",
    "redundancy",
    "retries",
    "retry_amplification",
    "retry_threshold",
    "sync_chain",
    "tandem",
    "usl",
]
