"""What all scenarios have in common: validated parameters, and a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from math import inf
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator
from pydantic.fields import FieldInfo

from ..analysis.forecast import Forecast
from ..analysis.metrics import Metric
from ..analysis.result import Result
from ..analysis.run_lengths import Needed, needed_by_queue
from ..distributions import Arrivals, Distribution, Durations, Exponential
from ..processes import Environment, Ledger, Outage, Record
from ..tracing import Parties
from ..values import Value, parameter
from ..values.parameters import read, unit_of
from ..values.tables import text_table
from .recursions import draw_before

__all__ = ["Engine", "OpenScenario", "Progress", "PublishingScenario", "Scenario", "parameter"]

Engine = Literal["auto", "simpy", "vector"]

Progress = Callable[[float], None]
"""Told now and then how much of a run is done, from 0 to 1."""


WIDEST = (24, 10, 60)
"""The most characters in each column of a table of figures."""

MOST = {"messages": 100_000_000, "s": 1_000_000_000}
"""The most of each unit that a run can be about."""


class Scenario(Value, ABC):
    """A question with its parameters; ``run`` answers it.

    A scenario is a value: frozen, comparable, and the same in JSON. Parameters that it doesn't
    know are refused.
    """

    derived: ClassVar[dict[str, FieldInfo]] = {}
    """What ``replace`` takes beside the fields, described in the same way."""

    faults: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """What can fail, and in which ways: ``of`` and ``kind`` of the outages that it takes."""

    recurring: ClassVar[tuple[str, ...]] = ()
    """What can fail again and again, and not only once."""

    figures: ClassVar[Mapping[str, Metric]] = {}
    """How the figures are shown that it adds to every summary's, by name; ``latency_mean_#`` stands
    for ``latency_mean_1``, ``latency_mean_2`` and so on."""

    outages: tuple[Outage, ...] = parameter((), "what does not work for a while, and when")

    settles: ClassVar[bool] = True
    """Whether there is a steady state for its averages to be about, after a while."""

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        if "figures" in cls.__dict__:
            rows = [(name, shown.unit, shown.label) for name, shown in cls.figures.items()]
            table = text_table([("figure", "unit", "what it is"), *rows], WIDEST)
            cls.__doc__ = f"{cls.__doc__ or ''}\nFigures\n-------\n{table}\n"

    def run(
        self, seed: int = 0, engine: Engine = "auto", *, progress: Progress | None = None
    ) -> Result:
        """Run once; the same scenario and seed give the same result, to the last bit.

        Parameters
        ----------
        seed : int
            Seed of all random streams, >= 0.
        engine : "auto", "simpy" or "vector"
            What runs it: SimPy processes around a real queue, or the recursion that gives the same
            instants, to rounding, where there is one. "auto" takes the recursion where it can.
        progress : callable, optional
            Told now and then how much of the run is done, from 0 to 1.
        """
        if engine not in get_args(Engine):
            raise ValueError(f"engine must be one of {get_args(Engine)}, got {engine!r}")
        obstacle = self.obstacle()
        if engine == "vector" and obstacle:
            raise ValueError(f"the vector engine can't run this: {obstacle}")
        if engine == "simpy" or obstacle:
            return self._simulate(Environment(seed), progress)
        result = self._calculate(Environment(seed))
        if progress is not None:
            progress(1.0)
        return result

    def obstacle(self) -> str | None:
        """Why only SimPy can run this scenario; None if there is an exact recursion."""
        return f"{type(self).__name__} has no exact recursion"

    def forecast(self) -> Forecast:
        """What theory predicts, which formula applies, or why none does."""
        return Forecast(model="none", why=f"no formula describes {type(self).__name__} as a whole")

    @property
    def offered_load(self) -> float | None:
        """Work that arrives per second and worker, and all else that takes a worker's time.

        None where nothing arrives by itself.
        """
        return None

    def needed(self) -> Needed | None:
        """How many messages a run must have to be trusted; None if no formula says so."""
        return None

    def doubted(self) -> list[str]:
        """What is risky or contradicts itself in these parameters, though each of them is allowed.

        Every result and every average over runs says it among its doubts.
        """
        return []

    @property
    def servers(self) -> int | None:
        """How many messages can be worked on at once; None if that is not known."""
        return None

    @property
    def parties(self) -> Parties:
        """What the services are called that a message passes, in the spans of a run."""
        return Parties()

    def is_over(self, ledger: Ledger) -> bool:
        """Whether everything there was to do was done, before time could end the run."""
        return not ledger.unfinished

    def cut_off(self, ledger: Ledger) -> float | None:
        """When time ended the run (s); None if the last message did."""
        duration: float | None = dict(self).get("duration")
        return None if self.is_over(ledger) else duration

    def result(
        self,
        env: Environment,
        record: Record,
        ledger: Ledger,
        *,
        over: bool | None = None,
        warmup: int | None = None,
        servers: int | None = None,
        observed_until: float = inf,
        figures: Mapping[str, float] | None = None,
    ) -> Result:
        """The result of a run that the processes wrote down.

        Parameters
        ----------
        env, record, ledger
            Where it was run, what happened, and where the messages are.
        over : bool, optional
            Whether it ended by itself, and not by ``duration``; by default ``is_over`` says so.
        warmup : int, optional
            Rows at the start that averages leave out; by default the parameter of that name.
        servers : int, optional
            How many consumers could be at work, if that is not ``servers``.
        observed_until : float
            When averages end (s).
        figures : mapping, optional
            What this scenario adds to the summary, as declared in its ``figures``.
        """
        given = dict(self)
        over = self.is_over(ledger) if over is None else over
        return Result.from_record(
            record,
            scenario=self,
            seed=env.seed,
            engine="simpy",
            duration=None if over else given.get("duration"),
            warmup=given.get("warmup", 0) if warmup is None else warmup,
            servers=self.servers if servers is None else servers,
            ledger=ledger,
            extras=figures or {},
            observed_until=observed_until,
        )

    def calculated(
        self,
        env: Environment,
        columns: Mapping[str, NDArray[np.float64]],
        refused: NDArray[np.bool_] | None = None,
        ledger: Ledger | None = None,
        engine: str = "vector",
        observed_until: float = inf,
        figures: Mapping[str, float] | None = None,
        lost: NDArray[np.bool_] | None = None,
    ) -> Result:
        """The result of a run in which nothing was interrupted, from its columns.

        Parameters
        ----------
        env : Environment
            Where it was run.
        columns : mapping
            Instants by name (s), each of shape (messages,).
        refused : ndarray of shape (messages,), optional
            Which messages found no room; none if not given.
        ledger : Ledger, optional
            Where the messages are, if somebody has counted.
        engine : str
            What ran it.
        observed_until : float
            When averages end (s).
        figures : mapping, optional
            What this scenario adds to the summary, as declared in its ``figures``.
        lost : ndarray of shape (messages,), optional
            Which messages came to nothing; none if not given.
        """
        return Result.from_columns(
            columns,
            np.zeros(len(columns["created"]), bool) if refused is None else refused,
            cut_off=self.cut_off,
            ledger=ledger,
            lost=lost,
            scenario=self,
            seed=env.seed,
            engine=engine,
            warmup=dict(self).get("warmup", 0),
            servers=self.servers,
            extras=figures or {},
            observed_until=observed_until,
        )

    @abstractmethod
    def _simulate(self, env: Environment, progress: Progress | None) -> Result:
        """Run with SimPy processes."""

    def _calculate(self, env: Environment) -> Result:
        """Run by an exact recursion, drawing from the same streams."""
        raise NotImplementedError

    def replace(self, **changes: Any) -> Self:
        """The same scenario with other parameters, validated like new."""
        return type(self)(**{**dict(self), **changes})

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        for name, info in type(self).model_fields.items():
            value, unit = getattr(self, name), unit_of(info)
            if unit in MOST and isinstance(value, int | float) and value > MOST[unit]:
                raise ValueError(f"{name} must be <= {MOST[unit]:,} {unit}, got {value:g}")
        return self

    @model_validator(mode="after")
    def _fails_as_it_can(self) -> Self:
        for place, each in enumerate(self.outages):
            kinds = self.faults.get(each.of, ())
            known = "; ".join(f"{of}: {', '.join(kinds)}" for of, kinds in self.faults.items())
            if each.kind not in kinds:
                raise ValueError(
                    f"outages[{place}] is a {each.kind} of the {each.of}, and here there are: "
                    f"{known or 'none'}"
                )
            once = each.kind in ("hang", "slow") or each.of not in self.recurring
            if each.every is not None and once:
                raise ValueError(
                    f"outages[{place}] comes again and again, and a {each.kind} of the {each.of} "
                    "is known only at an instant here: give start in place of every"
                )
        return self

    def outages_of(self, what: str, *kinds: str) -> list[Outage]:
        """The outages of one thing, of all kinds or of these."""
        return [
            each for each in self.outages if each.of == what and (not kinds or each.kind in kinds)
        ]

    @classmethod
    def parameters(cls) -> dict[str, FieldInfo]:
        """Everything that ``replace`` takes, with its description, unit and bounds."""
        known = {**super().parameters(), **cls.derived}
        outages = known.pop("outages")
        return {**known, "outages": outages} if cls.faults else known


class PublishingScenario(Scenario):
    """A scenario in which messages are published whatever becomes of the ones before."""

    derived: ClassVar[dict[str, FieldInfo]] = {
        "load": parameter(None, "work that arrives per second and worker", step=0.05, gt=0, le=2),
        "arrival_rate": parameter(None, "messages that arrive per second", unit="1/s", gt=0),
    }

    interarrival: Arrivals = parameter(
        Exponential(mean=1.25), "time between one message and the next", unit="s"
    )
    messages: int | None = parameter(None, "how many messages are published", unit="messages", ge=1)
    duration: float | None = parameter(None, "when the run is cut off", unit="s", gt=0)
    warmup: int = parameter(
        0, "messages at the start that are left out of averages", unit="messages", ge=0
    )

    @property
    @abstractmethod
    def servers(self) -> int:
        """How many messages can be worked on at once."""

    @property
    @abstractmethod
    def slowest(self) -> float:
        """Work that a message brings per worker, where that is most (s)."""

    @property
    def arrival_rate(self) -> float:
        """Messages that arrive per second."""
        return 1 / self.interarrival.average if self.interarrival.average else inf

    @property
    def load(self) -> float:
        """Work that arrives per second and worker; above 1 a queue grows without end."""
        return self.slowest * self.arrival_rate

    @property
    def offered_load(self) -> float:
        """``load``, and whatever else takes a worker; NaN where no formula says how much."""
        return self.load

    def needed(self) -> Needed | None:
        """How many messages a run must have to be trusted; None if no formula says so."""
        return needed_by_queue(self.offered_load, self.interarrival, None, self.servers)

    def replace(self, **changes: Any) -> Self:
        """The same scenario with other parameters, validated like new.

        ``load`` and ``arrival_rate`` are taken, too: they stretch or compress the time between
        messages and leave its shape as it is. ``load`` counts on the other parameters given.
        """
        wanted = {name: changes.pop(name) for name in self.derived if name in changes}
        changed = super().replace(**changes)
        if not wanted:
            return changed
        if len(wanted) > 1 or "interarrival" in changes:
            raise ValueError("give only one of interarrival, arrival_rate and load")
        ((name, value),) = wanted.items()
        high = read(name, self.derived[name]).high
        most = inf if high is None else high
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value <= most or value == inf:
            bound = f" and <= {most:g}" if most < inf else ""
            raise ValueError(f"{name} must be a number > 0{bound}, got {value!r}")
        gap = 1 / value if name == "arrival_rate" else changed.slowest / value
        return changed.replace(interarrival=changed.interarrival.scaled(gap))

    @property
    def _most(self) -> float:
        """How many messages are published if time doesn't end the run."""
        return min(self.messages or inf, self.interarrival.length or inf)

    @model_validator(mode="after")
    def _ends(self) -> Self:
        published = self._most
        if published == inf and self.duration is None:
            raise ValueError("a run needs an end: give messages, or duration, or both")
        if self.messages is not None and published < self.messages:
            raise ValueError(
                f"messages={self.messages} is more than the {published} that "
                f"{self.interarrival} holds"
            )
        if self.warmup >= published:
            raise ValueError(
                f"warmup must be smaller than the {published} messages published, got "
                f"warmup={self.warmup}"
            )
        if not self.interarrival.average and published == inf:
            raise ValueError("interarrival must be > 0 s in a run that only time ends, got 0")
        return self

    def _check_work(self, name: str, service: Distribution) -> None:
        """Refuse work that is given message by message, and not for all of them."""
        if service.length is not None and service.length < self._most:
            raise ValueError(
                f"{name}={service} must hold a value for each message, and up to "
                f"{self._most} are published"
            )

    def arrivals(self, env: Environment) -> NDArray[np.float64]:
        """The instants at which messages are published (s), from the producer's stream."""
        instants = self.interarrival.instants(env.stream("producer"))
        return draw_before(self.duration or inf, instants, self.messages or inf)

    def is_over(self, ledger: Ledger) -> bool:
        everything = self.messages or self.interarrival.length
        return ledger.published == everything and not ledger.unfinished

    def execute(self, env: Environment, progress: Progress | None) -> None:
        """Let simulated time go on until the run is over, telling how far it has come."""
        end = self.duration or inf
        if progress is not None:
            expected = self.interarrival.average * min(
                self.messages or inf, self.interarrival.length or inf
            )
            for part in range(1, 20):
                env.advance(min(end, expected) * part / 20)
                progress(part / 20)
        env.advance(end)
        if progress is not None:
            progress(1.0)


class OpenScenario(PublishingScenario):
    """A scenario in which messages are published and all bring work of the same kind."""

    service: Durations = parameter(Exponential(mean=1.0), "work that a message brings", unit="s")

    @property
    def places(self) -> int | None:
        """How many messages may wait; None: any number."""
        return None

    @property
    def slowest(self) -> float:
        """Work that a message brings per worker (s)."""
        return self.service.average / self.servers

    def needed(self) -> Needed | None:
        return needed_by_queue(
            self.offered_load, self.interarrival, self.service, self.servers, self.places
        )

    @model_validator(mode="after")
    def _enough_work(self) -> Self:
        self._check_work("service", self.service)
        return self
