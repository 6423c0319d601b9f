"""Results of benchmarks, filled with a number instead of measurements."""

import dataclasses
import types
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, get_args, get_origin, get_type_hints

from benchmarks.comparing import Comparison
from benchmarks.figures import Spread
from benchmarks.measuring import SizeResult
from benchmarks.polling import PollingResult
from benchmarks.results import Results
from benchmarks.updating import CHANGES, Growth, Update, Updates

METHODS = ("jobs/list", "workspaces/list_by_organization_id")


def filled(kind: type[Any], number: float) -> Any:  # noqa: ANN401 - whatever `kind` is
    """Make a result in which everything is `number`."""
    if kind is Spread:
        return Spread.of([number, number, number])
    hints = get_type_hints(kind)
    return kind(**{field.name: _value(hints[field.name], number) for field in dataclasses.fields(kind)})


def _value(kind: Any, number: float) -> Any:  # noqa: ANN401 - as above
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return filled(kind, number)
    if get_origin(kind) is types.UnionType:
        return _value(get_args(kind)[0], number)
    return dict.fromkeys(METHODS, number) if get_origin(kind) is not None else kind(number)


def results_of(numbers: Mapping[int, float]) -> Results:
    """Make the results of a whole run, in which everything is one number for each number of connections."""

    def each(kind: type[Any]) -> tuple[Any, ...]:
        return tuple(
            dataclasses.replace(filled(kind, number), connections=size) for size, number in numbers.items()
        )

    return Results(
        comparisons=each(Comparison),
        updates=Updates(
            tuple(
                Update(size, changed, filled(Spread, number))
                for size, number in numbers.items()
                for changed in CHANGES
            ),
            tuple(
                Growth(changed, smaller, larger, filled(Spread, numbers[larger]))
                for smaller, larger in pairwise(sorted(numbers))
                for changed in CHANGES
            ),
        ),
        polls=each(PollingResult),
        process=each(SizeResult),
    )
