"""What a value's parameters say of themselves: read in one place, for whoever shows or asks them.

Tables, error texts, the panel's controls and the flags of the command line all come from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

__all__ = ["Parameter", "parameters_of", "read", "unit_of"]


class Parameter(NamedTuple):
    """One parameter: what it is, and what is allowed."""

    name: str
    description: str
    unit: str
    """Empty without one."""
    default: Any
    required: bool
    """Whether it has no default and must be given."""
    derived: bool
    """Whether only ``replace`` takes it."""
    low: float | None
    high: float | None
    open_low: bool
    """Whether it must be above ``low``, and not ``low`` itself."""
    open_high: bool
    step: float | None
    """By how much to turn it, if that was said."""
    choices: tuple[Any, ...]
    """All that can be chosen; empty where it is no choice."""
    fewest: int | None
    """How many there must be, where it is a sequence."""
    most: int | None
    kind: str
    """What it must be, if that is more than a number or a text: ``Distribution``, ``Outage, ...``.
    """
    whole: bool
    """Whether it is a whole number."""
    number: bool
    """Whether it is a number."""

    @property
    def least(self) -> float | None:
        """The least to choose: one step inside an open bound; None if nothing says where."""
        return self._inside(self.low, self.open_low, 1)

    @property
    def greatest(self) -> float | None:
        """The greatest to choose."""
        return self._inside(self.high, self.open_high, -1)

    def _inside(self, bound: float | None, is_open: bool, sign: int) -> float | None:
        if bound is None or not is_open:
            return bound
        return bound + sign * self.step if self.step else None

    @property
    def allowed(self) -> str:
        """The bounds or the choices, as people write them."""
        if None not in (self.low, self.high) and not (self.open_low or self.open_high):
            return f"{self.low:,} to {self.high:,}"
        said = [
            f"{sign}{'' if is_open else '='} {bound:,}"
            for sign, bound, is_open in (
                (">", self.low, self.open_low),
                ("<", self.high, self.open_high),
            )
            if bound is not None
        ]
        said += [f"at least {self.fewest}"] if self.fewest is not None else []
        said += [f"at most {self.most}"] if self.most is not None else []
        return ", ".join(said) or ", ".join(map(str, self.choices)) or self.kind


def parameters_of(kind: Any) -> dict[str, Parameter]:
    """All parameters of a kind of value, by name.

    Parameters
    ----------
    kind : type of Value
        A scenario, or what is given to one: a distribution, an outage, a station.
    """
    return {
        name: read(name, info, derived=name not in kind.model_fields)
        for name, info in kind.parameters().items()
    }


def unit_of(info: FieldInfo) -> str:
    """The unit of a parameter; empty without one."""
    return str(_extra(info).get("unit") or "")


def read(name: str, info: FieldInfo, derived: bool = False) -> Parameter:
    """What a field says of itself.

    Parameters
    ----------
    name : str
        What it is called.
    info : FieldInfo
        As pydantic keeps it.
    derived : bool
        Whether only ``replace`` takes it.
    """
    low: Any = None
    high: Any = None
    fewest = most = None
    open_low = open_high = False
    for bound in info.metadata:
        match bound:
            case Ge(ge=value):
                low = value
            case Gt(gt=value):
                low, open_low = value, True
            case Le(le=value):
                high = value
            case Lt(lt=value):
                high, open_high = value, True
            case MinLen(min_length=value):
                fewest = value
            case MaxLen(max_length=value):
                most = value
    required = info.is_required()
    types = _types(info.annotation)
    step: Any = _extra(info).get("step")
    return Parameter(
        name=name,
        description=info.description or "",
        unit=unit_of(info),
        default=None if required else info.get_default(),
        required=required,
        derived=derived,
        low=low,
        high=high,
        open_low=open_low,
        open_high=open_high,
        step=step,
        choices=_choices(info.annotation),
        fewest=fewest,
        most=most,
        kind=_kind(info.annotation),
        whole=types == [int],
        number=bool({int, float} & set(types)) and set(types) <= {int, float},
    )


def _extra(info: FieldInfo) -> dict[str, Any]:
    extra = info.json_schema_extra
    return extra if isinstance(extra, dict) else {}


def _types(annotation: Any) -> list[Any]:
    """What it may be, beside nothing."""
    if get_origin(annotation) in (Union, UnionType):
        return [each for each in get_args(annotation) if each is not type(None)]
    return [annotation]


def _choices(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return (True, False) if annotation is bool else ()


def _kind(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin is Literal:
        return ", ".join(map(str, arguments))
    if origin is tuple:
        return f"{_kind(arguments[0])}, ..." if _kind(arguments[0]) else ""
    if origin in (Union, UnionType):
        kinds = [_kind(each) for each in _types(annotation)]
        return kinds[0] if len(kinds) == 1 else _common_base(arguments)
    if annotation is bool:
        return "True, False"
    named = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation.__name__ if named else ""


def _common_base(kinds: Sequence[Any]) -> str:
    """The name of what all these are."""
    if not all(isinstance(kind, type) for kind in kinds):
        return ""
    common = next(base for base in kinds[0].__mro__ if all(issubclass(k, base) for k in kinds))
    return common.__name__ if issubclass(common, BaseModel) else ""
