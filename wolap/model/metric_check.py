"""What can be wrong with the metrics of a declaration, but for their names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from wolap.errors import Problem, nearest, quote
from wolap.model.aggregate import AGGREGATES, Metric
from wolap.model.expression import ExpressionError, names_in, read_expression
from wolap.model.filter import filter_problems

__all__ = ["list_problems", "metric_problems"]


_DEEPEST = 50
_KEPT = ("count", "set")
# Options of some functions: whose they are, from what to what.
_NUMBERS: dict[str, tuple[tuple[str, ...], float, float]] = {
    "precision": (("approximate_distinct",), 4, 18),
    "probability": (("quantile",), 0, 1),
    "accuracy": (("quantile", "median"), 0.000001, 0.5),
}


def metric_problems(
    metrics: Mapping[str, Metric], dimensions: Collection[str], levels: Collection[str]
) -> Iterable[Problem]:
    """Every fault of these metrics over these dimensions; `levels` are those of time."""
    for name, metric in metrics.items():
        place = f"metrics.{name[:200]}"
        if metric.function not in AGGREGATES:
            possible = f"functions are {nearest(metric.function, AGGREGATES)}"
            yield Problem(place, f"{quote(metric.function)} is no function", possible)
            continue
        yield from _input_problems(place, metric, bool(levels))
        yield from _operand_problems(place, name, metrics)
        yield from _filter_problems(place, metric, dimensions, levels)
        yield from _option_problems(place, metric)
        if metric.determines and metric.function != "distinct":
            yield Problem(f"{place}.determines", "only a distinct count has it")
        for dimension in metric.determines:
            if dimension not in dimensions:
                found = f"{quote(dimension)} is no dimension"
                yield Problem(f"{place}.determines", found, f"dimensions are {nearest(dimension, dimensions)}")


def _input_problems(place: str, metric: Metric, has_time: bool) -> Iterable[Problem]:
    aggregate = AGGREGATES[metric.function]
    if aggregate.column == "needed" and not metric.column:
        yield Problem(place, f"{metric.function} needs a column")
    if aggregate.column == "none" and metric.column:
        yield Problem(place, f"{metric.function} takes no column", "names of metrics")
    if aggregate.has_weight != (metric.weight is not None):
        yield Problem(place, f"{metric.function} {'needs a' if aggregate.has_weight else 'takes no'} weight")
    if metric.population and "squares" not in aggregate.partials:
        yield Problem(f"{place}.population", "only a variance or a standard deviation has it")
    if aggregate.needs_time and not has_time:
        yield Problem(place, f"{metric.function} needs a time, and the cube has none")
    if aggregate.has_expression:
        yield from _expression_problems(place, metric)
    elif metric.expression:
        yield Problem(place, f"{metric.function} takes no expression", "derived")
    elif len(metric.operands) != aggregate.operands:
        found = f"{metric.function} has {len(metric.operands)} operands"
        yield Problem(place, found, f"it takes {aggregate.operands}")


def _option_problems(place: str, metric: Metric) -> Iterable[Problem]:
    if metric.every is not None and AGGREGATES[metric.function].column == "none":
        yield Problem(f"{place}.every", f"a {metric.function} is stored as its operands", "say it of those")
    if metric.keep not in _KEPT:
        yield Problem(f"{place}.keep", f"{quote(metric.keep)} is none", f"one of {', '.join(_KEPT)}")
    elif metric.keep != "count" and metric.function != "distinct":
        yield Problem(f"{place}.keep", "only a distinct count has it")
    if metric.function == "quantile" and metric.probability is None:
        yield Problem(place, "quantile needs a probability", "probability = 0.95")
    for name, (functions, low, high) in _NUMBERS.items():
        said: float | None = getattr(metric, name)
        if said is None:
            continue
        if metric.function not in functions:
            yield Problem(f"{place}.{name}", f"{metric.function} has none", f"{' and '.join(functions)} have")
        elif not low <= said <= high:
            yield Problem(f"{place}.{name}", f"{said:g} is out of range", f"{low:f} to {high:g}".replace(".000000", ""))
        elif name == "precision" and said != int(said):
            yield Problem(f"{place}.{name}", f"{said:g} is no whole number", f"{low:g} to {high:g}")


def _expression_problems(place: str, metric: Metric) -> Iterable[Problem]:
    try:
        named = names_in(read_expression(metric.expression))
    except ExpressionError as error:
        yield Problem(place, f"{quote(metric.expression)} {error}")
        return
    if not named:
        yield Problem(place, f"{quote(metric.expression)} names no metric", "an expression of other metrics")
    elif named != metric.operands:
        yield Problem(place, "its operands are not those of its expression", "leave them out")


def _operand_problems(place: str, name: str, metrics: Mapping[str, Metric]) -> Iterable[Problem]:
    for operand in metrics[name].operands:
        if operand not in metrics:
            possible = f"metrics are {nearest(operand, metrics)}"
            if meant := _as_difference(operand, metrics):
                possible = f"a minus between names needs blanks: {meant}"
            yield Problem(place, f"{quote(operand)} is no metric", possible)
    if _leads_back(name, metrics):
        yield Problem(place, "its operands lead back to it", "operands that end in a column")
    elif _is_deep(name, metrics):
        yield Problem(place, f"more than {_DEEPEST} metrics stand one upon another", "fewer steps")


def _as_difference(name: str, metrics: Collection[str]) -> str:
    """`a - b` for the name `a-b`, where both are metrics; also for `a-`, which stood before a blank."""
    for place, sign in enumerate(name):
        before, behind = name[:place], name[place + 1 :]
        if sign == "-" and before in metrics and (not behind or behind in metrics):
            return f"{before} - {behind or '…'}"
    return ""


def _is_deep(name: str, metrics: Mapping[str, Metric]) -> bool:
    """Whether finishing a metric would go down further than anybody means."""
    at = {name}
    for _ in range(_DEEPEST + 1):
        at = {operand for one in at if one in metrics for operand in metrics[one].operands}
        if not at:
            return False
    return True


def _leads_back(name: str, metrics: Mapping[str, Metric]) -> bool:
    seen: set[str] = set()
    waiting = list(metrics[name].operands)
    while waiting:
        operand = waiting.pop()
        if operand == name:
            return True
        if operand in metrics and operand not in seen:
            seen.add(operand)
            waiting.extend(metrics[operand].operands)
    return False


def _filter_problems(
    place: str, metric: Metric, dimensions: Collection[str], levels: Collection[str]
) -> Iterable[Problem]:
    if metric.filters and not AGGREGATES[metric.function].partials:
        yield Problem(place, f"{metric.function} takes no filters", "filters on the metrics that it is made of")
        return
    yield from filter_problems(place, metric.filters, dimensions, levels, "a metric")


def list_problems(metrics: Mapping[str, Metric], lists: Mapping[str, str]) -> Iterable[Problem]:
    """What metrics cannot do with dimensions of which a fact has several members, whose columns `lists` names."""
    for name, metric in metrics.items():
        place = f"metrics.{name[:200]}"
        for one in metric.filters:
            if one.dimension in lists:
                found = f"a fact has several members of {one.dimension}, and a metric's filter looks at one"
                yield Problem(f"{place}.{'where_not' if one.exclude else 'where'}", found, "a filter of the query")
        for dimension in metric.determines:
            if dimension in lists:
                found = f"a fact has several members of {dimension}, so nothing determines them"
                yield Problem(f"{place}.determines", found, "a dimension of one member")
        if metric.column in lists.values() and metric.function != "count":
            found = f"column {quote(metric.column or '')} holds lists, which have no {metric.function}"
            yield Problem(place, found, "group by the dimension, and count")
