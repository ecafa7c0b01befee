"""The base of all values, and how they describe their parameters."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

from .errors import Known, ParameterError, Problem, problems
from .parameters import unit_of
from .tables import html_table, parameter_rows, text_table

__all__ = ["Value", "parameter"]


def parameter(
    default: Any,
    description: str,
    *,
    unit: str = "",
    step: float | None = None,
    **bounds: Any,
) -> Any:
    """A field of a value: its default, one line of description, unit, step and bounds.

    Errors, the JSON form, the table in the documentation and the panel all come from here. What
    must be given has none: it is a pydantic ``Field``, for then type checkers know.
    """
    return Field(
        default=default,
        description=description,
        json_schema_extra={"unit": unit, "step": step},
        **bounds,
    )


def _be_strict(schema: Any) -> None:
    """Take numbers, words and truth values only from what they are."""
    if isinstance(schema, dict):
        if schema.get("type") in ("int", "float", "bool", "str"):
            schema["strict"] = True
        for name, part in schema.items():
            if name not in ("metadata", "serialization", "default"):
                _be_strict(part)
    elif isinstance(schema, list | tuple):
        for part in schema:
            _be_strict(part)


def _plain(value: Any) -> Any:
    """NumPy's and pandas' numbers and columns as Python's own."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return value


def _signature(kind: type[BaseModel]) -> inspect.Signature:
    """Names and defaults; what is allowed is in the documentation, and types would hide them."""
    named, nothing = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty
    return inspect.Signature(
        [
            inspect.Parameter(
                name, named, default=nothing if info.is_required() else info.get_default()
            )
            for name, info in kind.model_fields.items()
            if info.repr
        ]
    )


class Value(BaseModel):
    """Parameters that were checked, and are not to be changed.

    A value is comparable, and the same in JSON. What it doesn't know is refused. A number must be
    one: neither text nor ``True`` is. What is wrong is a :class:`ParameterError`.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )

    hints: ClassVar[Mapping[str, str]] = {}
    """What to write instead, by a name that people expect here and that there isn't."""

    def __init__(self, **values: Any) -> None:
        with self._in_words():
            super().__init__(**values)

    if not TYPE_CHECKING:  # Their own signatures are what a type checker should see.

        @classmethod
        def model_validate(cls, *args: Any, **options: Any) -> Self:
            with cls._in_words():
                return super().model_validate(*args, **options)

        @classmethod
        def model_validate_json(cls, *args: Any, **options: Any) -> Self:
            with cls._in_words():
                return super().model_validate_json(*args, **options)

        @classmethod
        def model_validate_strings(cls, *args: Any, **options: Any) -> Self:
            with cls._in_words():
                return super().model_validate_strings(*args, **options)

        def __setattr__(self, name: str, value: Any) -> None:
            if name in type(self).model_fields:
                raise ParameterError(
                    type(self).__name__,
                    [Problem("", f"{name} can't be changed, for it is frozen; make another one")],
                )
            super().__setattr__(name, value)

    @classmethod
    def parameters(cls) -> dict[str, FieldInfo]:
        """Everything that can be given, with its description, unit and bounds."""
        return {name: info for name, info in cls.model_fields.items() if info.repr}

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        cls.__signature__ = _signature(cls)
        told = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
        if cls.model_fields and "\nParameters\n" not in told:
            table = text_table(parameter_rows(cls))
            cls.__doc__ = f"{told}\n\nParameters\n----------\n{table}\n"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler, /
    ) -> CoreSchema:
        schema = handler(source)
        _be_strict(schema)
        return schema

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, values: Any) -> Any:
        return _plain(values)

    def __repr__(self) -> str:
        """What differs from the defaults."""
        given = (
            f"{name}={getattr(self, name)!r}"
            for name, info in type(self).model_fields.items()
            if info.repr and (info.is_required() or getattr(self, name) != info.get_default())
        )
        return f"{type(self).__name__}({', '.join(given)})"

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        return html_table(type(self).__name__, parameter_rows(type(self), self))

    @classmethod
    @contextmanager
    def _in_words(cls) -> Iterator[None]:
        """Say what pydantic finds in plain words."""
        try:
            yield
        except ValidationError as error:
            units = {name: unit_of(info) for name, info in cls.model_fields.items()}
            elsewhere = cls.parameters().keys() - cls.model_fields.keys()
            hints = {name: f"replace({name}=...) takes it" for name in elsewhere}
            names = tuple(name for name, info in cls.model_fields.items() if info.repr)
            known = Known(names, units, {**hints, **cls.hints})
            found = problems(error.errors(include_url=False), known)
            raise ParameterError(cls.__name__, found) from None
