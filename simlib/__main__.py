"""Scenarios from the command line: each parameter is a flag.

    python -m simlib list
    python -m simlib run PointToPoint --consumers 2 --service "Exponential(0.5)" --messages 1000
    python -m simlib explain PointToPoint --load 0.8 --messages 20000 --replications 10
    python -m simlib sweep PointToPoint --messages 1000 --over consumers=1,2,4 --replications 5
    python -m simlib measure --targets memory,sqlite --rounds 3

A value is written as in Python or in JSON. Figures go to standard output; doubts and errors go to
standard error. It ends with 0; with 1 if a run failed; with 2 if what was asked for makes no sense.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from inspect import isabstract
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .scenarios import Scenario
    from .values import Parameter, Value

__all__ = ["main"]

COMMANDS = {
    "list": "all scenarios, each with its question",
    "run": "run a scenario once, and print its figures",
    "explain": "what theory predicts, and beside it what runs give",
    "sweep": "run a scenario at many points, and print a row per run, as CSV",
    "measure": "predict what this machine does with real queues and servers, and measure it",
}

CONSTANTS = {"none": None, "null": None, "true": True, "yes": True, "false": False, "no": False}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments ask for, and return the code to end with."""
    first, rest = _split(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="python -m simlib",
        description="Experiments on asynchronous communication between services.",
        epilog="; ".join(f"{name}: {what}" for name, what in COMMANDS.items())
        + ". For the parameters of a scenario: python -m simlib run NAME --help.",
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("scenario", nargs="?", help="its name; for all but list and measure")
    asked = parser.parse_args(first)
    if asked.command == "list":
        if asked.scenario or rest not in ([], ["--json"]):
            parser.error("list takes nothing but --json")
        return _list(as_json=bool(rest))
    if asked.command == "measure":
        if asked.scenario is not None:
            parser.error("measure takes flags alone: see python -m simlib measure --help")
        return _measure(rest)
    kinds = _scenarios()
    if asked.scenario is None:
        parser.error(f"name a scenario: {', '.join(kinds)}")
    if asked.scenario not in kinds:
        parser.error(f"there is no scenario {asked.scenario!r}; there are {', '.join(kinds)}")
    return _command(asked.command, kinds[asked.scenario], rest)


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The command and the scenario, and the flags behind them."""
    flags = [place for place, each in enumerate(arguments) if each.startswith("-")]
    first = flags[0] if flags else len(arguments)
    if not first:  # --help alone
        return list(arguments), []
    return list(arguments[:first]), list(arguments[first:])


def _scenarios() -> dict[str, type[Scenario]]:
    from . import scenarios

    found = {name: getattr(scenarios, name) for name in scenarios.__all__}
    return {
        name: kind
        for name, kind in found.items()
        if isinstance(kind, type) and issubclass(kind, scenarios.Scenario) and not isabstract(kind)
    }


def _list(as_json: bool) -> int:
    told = {name: (kind.__doc__ or "").partition("\n")[0] for name, kind in _scenarios().items()}
    if as_json:
        print(json.dumps(told, indent=2))
    else:
        for name, question in told.items():
            print(f"{name:20} {question}")
    return 0


def _command(command: str, kind: type[Scenario], arguments: Sequence[str]) -> int:
    from .values import parameters_of

    parameters = parameters_of(kind)
    parser = argparse.ArgumentParser(
        prog=f"python -m simlib {command} {kind.__name__}",
        description=(kind.__doc__ or "").partition("\n\nParameters\n")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--seed", type=int, default=1, help="of all random streams (1)")
    if command == "run":
        parser.add_argument("--engine", default="auto", help="auto, simpy or vector")
    else:
        runs = 5 if command == "sweep" else 0
        parser.add_argument(
            "--replications", type=int, default=runs, help=f"how many runs ({runs})"
        )
    if command == "sweep":
        told = "a parameter and its values, such as consumers=1,2,4; may be given again"
        parser.add_argument("--over", action="append", required=True, metavar="NAME=...", help=told)
    _add_flags(parser, parameters.values())
    asked = parser.parse_args(arguments)
    try:
        given = _given(asked, parameters)
        fields = {name: given.pop(name) for name in list(given) if not parameters[name].derived}
        scenario = kind(**fields).replace(**given)
        over = dict(map(_range, asked.over)) if command == "sweep" else {}
    except (ValueError, TypeError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always")
        code = _answer(command, scenario, asked, over)
    for doubt in dict.fromkeys(str(each.message) for each in doubts):
        print(f"in doubt: {doubt}", file=sys.stderr)
    return code


def _add_flags(parser: argparse.ArgumentParser, parameters: Iterable[Parameter]) -> None:
    """A flag for each parameter."""
    group = parser.add_argument_group("parameters")
    for each in parameters:
        told = ", ".join(filter(None, [each.unit, each.allowed]))
        said = f"{each.description} ({told})" if told else each.description
        group.add_argument(
            *{f"--{each.name.replace('_', '-')}", f"--{each.name}"},
            dest=f"parameter {each.name}",
            metavar="VALUE",
            help=said.replace("%", "%%"),
        )


def _given(asked: argparse.Namespace, parameters: Iterable[str]) -> dict[str, Any]:
    """The values of the flags that were given, by the names of their parameters."""
    texts = {name: vars(asked)[f"parameter {name}"] for name in parameters}
    return {name: _meant(text) for name, text in texts.items() if text is not None}


def _measure(arguments: Sequence[str]) -> int:
    """Predict and measure on this machine, and print what came of it."""
    from .live.prediction import Measurement, report
    from .values import parameters_of

    parameters = parameters_of(Measurement)
    parser = argparse.ArgumentParser(
        prog="python -m simlib measure",
        description=(Measurement.__doc__ or "").partition("\n\nParameters\n")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--in", dest="where", type=Path, help="a directory on the disk in question")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="a CSV file for what was measured"
    )
    _add_flags(parser, parameters.values())
    asked = parser.parse_args(arguments)
    try:
        wanted = Measurement(**_given(asked, parameters))
    except (ValueError, TypeError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    try:
        rows = wanted.run(asked.where, lambda what: print(what, file=sys.stderr, flush=True))
    except KeyboardInterrupt:
        return 130
    if rows.empty:
        print(f"{parser.prog}: nothing could be measured", file=sys.stderr)
        return 1
    if asked.keep is not None:
        rows.to_csv(asked.keep, index=False, float_format="%.4g", lineterminator="\n")
    print(report(rows))
    return 0


def _answer(
    command: str, scenario: Scenario, asked: argparse.Namespace, over: Mapping[str, Any]
) -> int:
    """Run what is asked for and print what came of it."""
    try:
        if command == "run":
            _run(scenario, asked)
        elif command == "explain":
            _explain(scenario, asked)
        else:
            _sweep(scenario, asked, over)
    except (ValueError, TypeError) as error:
        print(f"python -m simlib {command}: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        print(f"python -m simlib {command}: the run failed: {error}", file=sys.stderr)
        return 1
    return 0


def _run(scenario: Scenario, asked: argparse.Namespace) -> None:
    from .analysis.metrics import shown_as

    result = scenario.run(asked.seed, asked.engine)
    figures = result.summary()
    for doubt in result.doubts():
        warnings.warn(doubt, stacklevel=1)
    if asked.json:
        _print_json(
            scenario=type(scenario).__name__,
            parameters=json.loads(scenario.model_dump_json()),
            seed=asked.seed,
            engine=result.engine,
            summary={str(name): _finite(value) for name, value in figures.items()},
            doubts=result.doubts(),
        )
        return
    print(f"{scenario!r}, seed {asked.seed}, {result.engine}")
    for name, value in figures.items():
        shown = shown_as(str(name), scenario.figures)
        print(f"  {shown.label:36} {shown.written(value)}")


def _explain(scenario: Scenario, asked: argparse.Namespace) -> None:
    from .analysis import explain, replicate

    runs = replicate(scenario, asked.replications, asked.seed) if asked.replications else None
    told = explain(scenario, runs)
    if asked.json:
        _print_json(
            scenario=type(scenario).__name__,
            model=told.forecast.model,
            why=told.forecast.why,
            figures=json.loads(told.table.to_json(orient="index")),
        )
    else:
        print(told)


def _sweep(scenario: Scenario, asked: argparse.Namespace, over: Mapping[str, Any]) -> None:
    from .analysis import sweep

    table = sweep(scenario, over, replications=asked.replications, seed=asked.seed, progress=False)
    if asked.json:
        points = table[list(over)].map(
            lambda value: str(value) if hasattr(value, "kind") else value
        )
        print(table.assign(**points).to_json(orient="records", indent=2, double_precision=15))
    else:
        print(table.to_csv(index=False), end="")


def _print_json(**told: Any) -> None:
    print(json.dumps(told, indent=2, allow_nan=False))


def _finite(value: float) -> float | None:
    """JSON knows neither NaN nor infinity."""
    return float(value) if isfinite(value) else None


def _plain(value: Any) -> Any:
    """A number, a truth value or a text as it is, and all else in words."""
    return value if value is None or isinstance(value, int | float | str) else str(value)


def _range(text: str) -> tuple[str, Sequence[Any]]:
    """A parameter's name and the values to try."""
    name, equals, values = text.partition("=")
    if not (name and equals and values):
        raise ValueError(f"--over is written as consumers=1,2,4, got {text!r}")
    meant = _meant(f"[{values}]")
    if not isinstance(meant, tuple):
        raise ValueError(f"--over {name}: {values!r} are no values with commas between them")
    return name.replace("-", "_"), meant


def _meant(text: str) -> Any:
    """The value that a text stands for; the text itself if it is no expression."""
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    return _value(node, text)


def _value(node: ast.expr, text: str) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return CONSTANTS.get(name.lower(), name)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return tuple(_value(part, text) for part in parts)
        case ast.Dict(keys=keys, values=parts) if None not in keys:
            return {
                _value(key, text): _value(part, text)
                for key, part in zip(keys, parts, strict=True)
                if key is not None
            }
        case ast.Call(func=ast.Name(id=name), args=given, keywords=named):
            kinds = _kinds()
            if name not in kinds:
                raise ValueError(f"there is no {name}(...); there are {', '.join(kinds)}")
            return kinds[name](
                *(_value(part, text) for part in given),
                **{str(part.arg): _value(part.value, text) for part in named},
            )
    raise ValueError(f"{text!r} is no value: write it as in Python or in JSON")


def _kinds() -> dict[str, type[Value]]:
    """What a parameter can be made of."""
    from . import distributions, processes, scenarios
    from .values import Value

    rooms = (distributions, processes, scenarios)
    found = {name: getattr(room, name) for room in rooms for name in room.__all__}
    return {
        name: kind
        for name, kind in found.items()
        if isinstance(kind, type)
        and issubclass(kind, Value)
        and not issubclass(kind, scenarios.Scenario)
        and not isabstract(kind)
    }


if __name__ == "__main__":
    sys.exit(main())
