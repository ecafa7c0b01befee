"""How long things take.

A distribution is a plain value: a shape and a mean, validated, comparable and serialisable. It
holds no random stream; whoever samples brings one (see :class:`simlib.Environment`), so one value
may describe many processes.

Samples come in blocks of :data:`BLOCK`, whoever asks for them: the same stream gives the same
numbers to every engine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, get_args, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BeforeValidator, Field, field_validator, model_validator

from ..values import Value

__all__ = [
    "BLOCK",
    "Deterministic",
    "Distribution",
    "Durations",
    "DurationsOrNone",
    "Empirical",
    "Erlang",
    "Exponential",
    "Floats",
    "Hyperexponential",
    "LogNormal",
    "Replay",
    "Seconds",
    "Uniform",
    "distribution",
]

Floats = NDArray[np.float64]

BLOCK = 4096
"""How many numbers are drawn at a time."""

Seconds = Annotated[float, Field(gt=0)]


class Distribution(Value, ABC):
    """A sequence of durations in seconds, each >= 0.

    Parameters may be given by position or by name: ``Exponential(0.5)`` is
    ``Exponential(mean=0.5)``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        names = [name for name in type(self).model_fields if name != "kind"]
        if len(args) > len(names):
            raise TypeError(
                f"{type(self).__name__} takes {', '.join(names)}, got {len(args)} values"
            )
        given = dict(zip(names, args, strict=False))
        if twice := given.keys() & kwargs.keys():
            raise TypeError(f"{type(self).__name__} got {', '.join(twice)} twice")
        super().__init__(**given, **kwargs)

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        parameters = cls.__signature__.parameters.values()
        either = Parameter.POSITIONAL_OR_KEYWORD
        cls.__signature__ = Signature([each.replace(kind=either) for each in parameters])

    def __str__(self) -> str:
        values = (f"{name}={value:g}" for name, value in self if isinstance(value, int | float))
        return f"{type(self).__name__}({', '.join(values)})"

    @property
    @abstractmethod
    def average(self) -> float:
        """Mean duration (s)."""

    @property
    @abstractmethod
    def scv(self) -> float:
        """Squared coefficient of variation: variance / mean², no unit."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, size: int) -> Floats:
        """Draw ``size`` durations (s)."""

    @abstractmethod
    def scaled(self, mean: float) -> Self:
        """The same shape with another mean (s)."""

    @property
    def length(self) -> int | None:
        """How many values there are; None when there is no end."""
        return None

    def blocks(self, rng: np.random.Generator) -> Iterator[Floats]:
        """Durations (s), block by block."""
        while True:
            yield self.sample(rng, BLOCK)

    def instants(self, rng: np.random.Generator) -> Iterator[Floats]:
        """Arrival instants (s), block by block, when the durations are the gaps between them."""
        last = 0.0
        for gaps in self.blocks(rng):
            # Adding up in order gives the same sums as a clock that goes from gap to gap.
            times = np.cumsum(np.concatenate(([last], gaps)))[1:]
            last = times[-1]
            yield times


class _WithMean(Distribution, ABC):
    """A distribution whose mean is a parameter."""

    if TYPE_CHECKING:
        mean: float  # declared as a field by each, which fixes its place among the others

    hints: ClassVar[Mapping[str, str]] = {"rate": "give mean = 1/rate"}

    @property
    def average(self) -> float:
        return self.mean

    def scaled(self, mean: float) -> Self:
        return type(self)(**{**self.model_dump(), "mean": mean})


class Exponential(_WithMean):
    """Exponential durations: no memory, the gaps of a Poisson process.

    Parameters
    ----------
    mean : float
        Seconds, > 0.
    """

    kind: Literal["exponential"] = Field(default="exponential", repr=False)
    mean: Seconds

    if TYPE_CHECKING:

        def __init__(self, mean: float) -> None: ...

    @property
    def scv(self) -> float:
        return 1.0

    def sample(self, rng: np.random.Generator, size: int) -> Floats:
        return rng.exponential(self.mean, size)


class Deterministic(Distribution):
    """The same duration every time. Where a distribution is wanted a number is one of these.

    Parameters
    ----------
    value : float
        Seconds, >= 0.
    """

    kind: Literal["deterministic"] = Field(default="deterministic", repr=False)
    value: float = Field(ge=0)
    hints: ClassVar[Mapping[str, str]] = {"mean": "it is called 'value' here"}

    if TYPE_CHECKING:

        def __init__(self, value: float) -> None: ...

    @property
    def average(self) -> float:
        return self.value

    @property
    def scv(self) -> float:
        return 0.0

    def scaled(self, mean: float) -> Self:
        return type(self)(value=mean)

    def sample(self, rng: np.random.Generator, size: int) -> Floats:
        return np.full(size, self.value)


class Erlang(_WithMean):
    """The sum of ``k`` equal exponential phases: less variable than exponential.

    Parameters
    ----------
    k : int
        Number of phases, >= 1.
    mean : float
        Seconds, > 0, of the sum.
    """

    kind: Literal["erlang"] = Field(default="erlang", repr=False)
    k: int = Field(ge=1)
    mean: Seconds

    if TYPE_CHECKING:

        def __init__(self, k: int, mean: float) -> None: ...

    @property
    def scv(self) -> float:
        return 1.0 / self.k

    def sample(self, rng: np.random.Generator, size: int) -> Floats:
        return rng.gamma(self.k, self.mean / self.k, size)


class LogNormal(_WithMean):
    """Log-normal durations: most are short, a few are very long.

    Parameters
    ----------
    mean : float
        Seconds, > 0, of the durations themselves, not of their logarithm.
    cv : float
        Coefficient of variation of the durations, > 0.
    """

    kind: Literal["lognormal"] = Field(default="lognormal", repr=False)
    mean: Seconds
    cv: float = Field(gt=0)

    if TYPE_CHECKING:

        def __init__(self, mean: float, cv: float) -> None: ...

    @property
    def scv(self) -> float:
        return self.cv**2

    def sample(self, rng: np.random.Generator, size: int) -> Floats:
        variance = np.log1p(self.cv**2)
        return rng.lognormal(np.log(self.mean) - variance / 2, np.sqrt(variance), size)


class Hyperexponential(_WithMean):
    """A mixture of two exponentials with balanced means: more variable than exponential.

    With probability p a duration has mean ``mean / 2p``, else ``mean / 2(1 - p)``, where
    p = (1 + sqrt((cv² - 1) / (cv² + 1))) / 2 (Whitt 1982, "Approximating a point process by a
    renewal process, I", section 3).

    Parameters
    ----------
    mean : float
        Seconds, > 0.
    cv : float
        Coefficient of variation, >= 1.
    """

    kind: Literal["hyperexponential"] = Field(default="hyperexponential", repr=False)
    mean: Seconds
    cv: float = Field(ge=1)

    if TYPE_CHECKING:

        def __init__(self, mean: float, cv: float) -> None: ...

    @property
    def scv(self) -> float:
        return self.cv**2

    def sample(self, rng: np.random.Generator, size: int) -> Floats:
        p = (1 + np.sqrt((self.scv - 1) / (self.scv + 1))) / 2
        first = rng.random(size) < p
        means = np.where(first, self.mean / (2 * p), self.mean / (2 * (1 - p)))
        samples: Floats = rng.exponential(means)
        return samples


class Uniform(Distribution):
    """Every duration between two bounds is equally likely.

    Parameters
    ----------
    low, high : float
        Seconds, 0 <= low < high.
    """

    kind: Literal["uniform"] = Field(default="uniform", repr=False)
    low: float = Field(ge=0)
    high: float

    if TYPE_CHECKING:

        def __init__(self, low: float, high: float) -> None: ...

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"high must be > low={self.low:g} s, got {self.high:g}")
        return self

    @property
    def average(self) -> float:
        return (self.low + self.high) / 2

    @property
    def scv(self) -> float:
        return (self.high - self.low) ** 2 / 12 / self.average**2

    def scaled(self, mean: float) -> Self:
        factor = mean / self.average
        return type(self)(low=self.low * factor, high=self.high * factor)

    def sample(self, rng: np.random.Generator, size: int) -> Floats:
        return rng.uniform(self.low, self.high, size)


class _Measured(Distribution, ABC):
    """A distribution given by measured values."""

    values: tuple[float, ...] = Field(min_length=1, repr=False)

    if TYPE_CHECKING:

        def __init__(self, values: ArrayLike) -> None: ...

    @field_validator("values")
    @classmethod
    def _not_negative(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        for place, value in enumerate(values):
            if value < 0:
                raise ValueError(f"values must be >= 0 s, got {value:g} at index {place}")
        return values

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.values)} values, mean={self.average:g})"

    def __str__(self) -> str:
        return repr(self)

    @property
    def average(self) -> float:
        return float(np.mean(self.values))

    @property
    def scv(self) -> float:
        mean = self.average
        return float(np.var(self.values)) / mean**2 if mean else 0.0

    def scaled(self, mean: float) -> Self:
        if not self.average:
            raise ValueError("values that are all 0 cannot be scaled to another mean")
        return type(self)(values=np.array(self.values) * (mean / self.average))


class Empirical(_Measured):
    """Durations drawn at random from measured ones, with replacement.

    Parameters
    ----------
    values : sequence of float
        Seconds, each >= 0.
    """

    kind: Literal["empirical"] = Field(default="empirical", repr=False)

    if TYPE_CHECKING:

        def __init__(self, values: ArrayLike) -> None: ...

    def sample(self, rng: np.random.Generator, size: int) -> Floats:
        return rng.choice(np.array(self.values), size)


class Replay(_Measured):
    """Measured durations in their order, until they are used up.

    Parameters
    ----------
    values : sequence of float
        Seconds, each >= 0.
    """

    kind: Literal["replay"] = Field(default="replay", repr=False)

    if TYPE_CHECKING:

        def __init__(self, values: ArrayLike) -> None: ...

    @property
    def length(self) -> int | None:
        return len(self.values)

    def sample(self, rng: np.random.Generator, size: int) -> Floats:
        return np.resize(np.array(self.values), size)

    def blocks(self, rng: np.random.Generator) -> Iterator[Floats]:
        for start in range(0, len(self.values), BLOCK):
            yield np.array(self.values[start : start + BLOCK])


def distribution(*kinds: type[Distribution]) -> Callable[[Any], Any]:
    """What makes one of these kinds of what is given: a number of seconds, or its form in JSON."""
    by_name = {kind.model_fields["kind"].default: kind for kind in kinds}
    names = ", ".join(kind.__name__ for kind in kinds)

    def made(given: Any) -> Any:
        if isinstance(given, int | float) and not isinstance(given, bool):
            if not given >= 0:
                raise ValueError(f"must be >= 0 s, got {given!r}")
            return Deterministic(given)
        if isinstance(given, Mapping):
            if given.get("kind") not in by_name:
                raise ValueError(
                    f"must say its kind, one of {', '.join(by_name)}, got {given.get('kind')!r}"
                )
            return by_name[given["kind"]](**{k: v for k, v in given.items() if k != "kind"})
        if not isinstance(given, kinds):
            raise ValueError(
                f"must be a distribution ({names}), or a number of seconds, which is the same "
                f"every time, got {_shortly(given)}"
            )
        return given

    return made


def _shortly(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"a {type(value).__name__}"


if TYPE_CHECKING:

    class Durations:
        """A distribution as a field: a number is taken, too, and a distribution is what is kept."""

        @overload
        def __get__(self, instance: None, owner: type) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: type) -> Distribution: ...
        def __get__(self, instance: object, owner: type) -> Any: ...
        def __set__(self, instance: object, value: Distribution | float) -> None: ...

    class DurationsOrNone:
        """The same, or None."""

        @overload
        def __get__(self, instance: None, owner: type) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: type) -> Distribution | None: ...
        def __get__(self, instance: object, owner: type) -> Any: ...
        def __set__(self, instance: object, value: Distribution | float | None) -> None: ...

else:
    KINDS = (
        Exponential
        | Deterministic
        | Erlang
        | LogNormal
        | Hyperexponential
        | Uniform
        | Empirical
        | Replay
    )
    Durations = Annotated[
        KINDS, Field(discriminator="kind"), BeforeValidator(distribution(*get_args(KINDS)))
    ]
    """Any distribution of durations, or a number of seconds, as a field of a value."""

    DurationsOrNone = Durations | None
