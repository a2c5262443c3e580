"""The optimizers of a comparison, from its config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from programs import Program, ProgramError, live_across_steps, load
from programs.hyperparameters import hyperparameters
from search.comparing.contender import Contender
from search.comparing.optax_table import OPTAX, row_of_twin
from search.comparing.spaces import Space, default_ends, problem_with, problem_with_value
from search.config.comparison import ComparisonConfig, OptimizerSettings
from search.config.messages import nearest
from search.config.strict_yaml import KeyPath

PREFIX = "optax:"


class SpaceError(ValueError):
    """A constant's range that cannot be; the name of the constant, and one line."""


@dataclass(frozen=True)
class Entrant:
    """An optimizer with its name and what is tuned of it."""

    name: str
    contender: Contender  # without values
    space: Space

    def with_values(self, values: Mapping[str, float]) -> Contender:
        return self.contender.with_values(values)


def entrants_of(config: ComparisonConfig) -> list[Entrant]:
    """All of a config without mistakes."""
    return [entrant(settings) for settings in config.optimizers]


def name_of(settings: OptimizerSettings) -> str:
    """What tables call an optimizer: its name, or its rule's."""
    if settings.name is not None:
        return settings.name
    prefix, _, rest = settings.rule.rpartition(":")
    name = rest if prefix in ("optax", "library") else Path(settings.rule).stem
    return name if settings.state_dtype == "float32" else f"{name} {settings.state_dtype}"


def entrant(settings: OptimizerSettings) -> Entrant:
    """One optimizer. Raises ProgramError, SpaceError."""
    if settings.rule.startswith(PREFIX):
        name = settings.rule.removeprefix(PREFIX)
        if name not in OPTAX:
            near = nearest(name, OPTAX) or f"; expected one of {', '.join(OPTAX)}"
            raise ProgramError(f"no optimizer of optax '{name}' to compare{near}")
        rule: str | Program = name
        ranges = OPTAX[name].space
        known = {constant: low for constant, (low, _) in ranges.items()}
        space = _space(settings, ranges, known=known, ties={})
    else:
        rule = live_across_steps(load(settings.rule)).unfrozen()
        space = _space_of_program(settings, rule)
    return Entrant(name_of(settings), Contender(rule, (), settings.state_dtype), space)


def _space_of_program(settings: OptimizerSettings, program: Program) -> Space:
    """A twin of optax's has its ranges; any other constants have those of their roles, or keep the
    values of the text."""
    constants = {h.name: h.value for h in hyperparameters(program)}
    row = row_of_twin(settings.rule)
    ends = {name: default_ends(name, value) for name, value in constants.items()}
    ranges = {name: pair for name, pair in ends.items() if pair is not None}
    if row is not None:
        ranges |= {name: pair for name, pair in row.space.items() if name in constants}
    ties = row.ties if row is not None else {}
    return _space(settings, ranges, known=constants, ties=ties)


def _space(
    settings: OptimizerSettings,
    ranges: Mapping[str, tuple[float, float]],
    *,
    known: Mapping[str, float],
    ties: Mapping[str, str],
) -> Space:
    """The ranges with what the config says of them; known: all constants, each with a value."""
    chosen, fixed, tied = dict(ranges), dict[str, float](), dict(ties)
    for name, given in settings.space.items():
        if name not in known:
            near = nearest(name, known) or f"; it has {', '.join(known) or 'none'}"
            raise SpaceError(name, f"the optimizer has no constant '{name}'{near}")
        for others in (chosen, fixed, tied):
            others.pop(name, None)
        if isinstance(given, str):
            tied[name] = given
        elif isinstance(given, tuple):
            if problem := problem_with(name, given, known[name]):
                raise SpaceError(name, problem)
            chosen[name] = given
        else:
            if problem := problem_with_value(name, given, known[name]):
                raise SpaceError(name, problem)
            fixed[name] = given
    for name, other in tied.items():
        chosen.pop(name, None)
        if other not in chosen and other not in fixed:
            raise SpaceError(name, f"'{other}' is no constant that is tuned or has a value")
    return Space(chosen, fixed, tied)


def mistakes_of(config: ComparisonConfig) -> Iterator[tuple[KeyPath, str]]:
    """Optimizers that cannot be, and names that are not different, by key path."""
    names: list[str] = []
    entrants: list[Entrant] = []
    for index, settings in enumerate(config.optimizers):
        path: KeyPath = ("optimizers", index)
        try:
            entrants.append(entrant(settings))
        except ProgramError as error:
            yield (*path, "rule"), str(error)
        except SpaceError as error:
            constant, message = error.args
            yield (*path, "space", constant), message
        name = name_of(settings)
        if name in names:
            yield path, f"a second optimizer is called '{name}': give it another name"
        names.append(name)
    if config.baseline is not None and config.baseline not in names:
        near = nearest(config.baseline, names) or f"; expected one of {', '.join(names)}"
        yield ("baseline",), f"no optimizer is called '{config.baseline}'{near}"
    constants = config.heat_map.constants if config.heat_map is not None else None
    are_right = len(entrants) == len(config.optimizers)
    if are_right and constants and (message := _problem_with_grid(constants, entrants)):
        yield ("heat_map", "constants"), message


def _problem_with_grid(constants: tuple[str, str], entrants: Sequence[Entrant]) -> str:
    """Why there would be no heat map, or none with two axes; nothing if there is one."""
    if constants[0] == constants[1]:
        return f"expected two constants, got '{constants[0]}' twice"
    tuned = list(dict.fromkeys(name for one in entrants for name in one.space.ranges))
    for name in constants:
        if name not in tuned:
            near = nearest(name, tuned) or f"; expected two of {', '.join(tuned) or 'none'}"
            return f"no optimizer tunes a constant '{name}'{near}"
    if not any(set(constants) <= set(one.space.ranges) for one in entrants):
        return f"no optimizer tunes both '{constants[0]}' and '{constants[1]}'"
    return ""
