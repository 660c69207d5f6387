"""What the questions have exercised: how often each way through the planner and the engine was gone.

A rule that never spoke, or a kernel that never ran, proves nothing, so a run prints this table and names what stayed
at 0. A new way is one line: of WATCHED where a function is gone through, of `seen` where a plan tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

from proof.worlds import Trial
from wolap import Plan, Query, versions
from wolap.engine import dimensions, execute, explode, joint, kernels, lists, source
from wolap.engine.groups import Halves
from wolap.engine.keys import Keys
from wolap.model.aggregate import AGGREGATES
from wolap.model.projection import Projection
from wolap.planner.plan import REASONS

__all__ = ["EXPECTED", "seen", "watch"]

# What only a caller's caps can bring about, which verifying does not look at.
_CAPS = {"over_row_cap", "over_scan_cap", "over_memory"}


def _kind(keys: Keys) -> str:
    return "packed" if keys.ranked is None else "ranked"


def _origin(found: Projection, wanted: Projection, *rest: Any) -> str:
    if found.is_facts:
        return "built from the facts"
    same = wanted.level is None or found.zone == wanted.zone
    return f"built from a projection{'' if same else ' on another clock'}"


# Where, which name, and how a call of it is counted.
WATCHED: tuple[tuple[Any, str, Callable[..., str]], ...] = (
    (kernels, "choose_kernel", lambda found, scan, wanted: f"kernel {found[0]}"),
    (source, "join_scan", lambda found, scan, partial, *rest: f"joint {partial.function} of rows"),
    (joint, "_join", lambda found, partial, *rest: f"joint {partial.function}"),
    (source, "count_distinct", lambda found, *rest: "distinct counted"),
    (execute, "stitch", lambda found, parts: f"stitched {min(len(parts), 4)}{' or more' if len(parts) > 3 else ''}"),
    (execute, "record_order", lambda found, *rest: "order as it is" if found is None else "order by sorting"),
    (source, "pack", lambda found, *rest: f"keys {_kind(found)}"),
    (source, "take_rows", lambda found, *rest: "rows taken as groups"),
    (source, "zone_of", lambda found, *rest: "zones without one" if found is None else "zones"),
    (dimensions, "kept_rows", lambda found, *rest: "slices"),
    (source, "cuts_of", lambda found, *rest: f"clustered facts cut in {len(found)}"),
    (source, "spread", lambda found, *rest: "instants of clustered facts"),
    (source, "explode", lambda found, *rest: "facts by each of their members"),
    (explode, "stitch", lambda found, parts: f"pairs in {'one block' if len(parts) == 1 else 'several blocks'}"),
    (lists.SomeMember, "mask", lambda found, *rest: "facts with some member"),
    (versions, "source_of", _origin),
    (Halves, "join", lambda found, *rest: "sum in halves"),
)
EXPECTED = (
    *(f"kernel {name}" for name, *_ in kernels.KERNELS if name != "compiled" or kernels.has_compiled()),
    *(f"joint {name}" for name in joint.RUNNING),
    *(f"stitched {number}" for number in ("1", "2", "3", "4 or more")),
    *(f"reason {code}" for code in REASONS if code not in _CAPS),
    *(f"metric {name}" for name in AGGREGATES),
    "keys packed", "keys ranked",
    "zones", "slices", "instants of clustered facts", "rows taken as groups",
    *(f"clustered facts cut in {number}" for number in (1, 2, 3)),
    "facts by each of their members", "pairs in one block", "pairs in several blocks", "facts with some member",
    "two lists", "list from a projection", "list pinned", "list left out",
    "distinct counted", "order as it is", "order by sorting", "sum in halves",
    "alone: facts", "alone: a projection", "cover of projections", "cover with facts",
    "filtered metric", "determined dimension", "widened", "filter", "filter NOT IN", "implied filter", "limit",
    "another clock", "cover with another clock", "part of the facts", "cover with part of the facts",
    "fresh_since", "stored set", "built from the facts", "built from a projection",
    "built from a projection on another clock", "open interval", "no time", "coverage in part", "empty result",
)  # fmt: skip


def watch(tally: Counter[str]) -> None:
    """Counts the calls of WATCHED from now on, for the life of the process. AttributeError tells of a name that is
    gone."""
    for place, name, label in WATCHED:
        setattr(place, name, _counted(getattr(place, name), label, tally))


def _counted(function: Callable[..., Any], label: Callable[..., str], tally: Counter[str]) -> Callable[..., Any]:
    @wraps(function)
    def counted(*arguments: Any, **named: Any) -> Any:
        found = function(*arguments, **named)
        tally[label(found, *arguments)] += 1
        return found

    return counted


def seen(trial: Trial, query: Query, plan: Plan, records: int) -> list[str]:
    """What an explained plan tells."""
    names = {piece.projection for piece in plan.pieces}
    schema = trial.world.schema
    found = [f"reason {reason.code}" for candidate in plan.candidates for reason in candidate.reasons]
    found += [f"metric {schema.metrics[name].function}" for name in plan.metrics]
    if len(plan.pieces) > 1:
        found.append("cover with facts" if "facts" in names else "cover of projections")
    else:
        found.append("alone: facts" if "facts" in names else "alone: a projection")
    stored = {one.name: one for one in trial.cube.projections}
    asked = set(query.group) | {one.dimension for one in query.filters}
    for name in names:
        if asked - schema.levels - set(stored[name].dimensions):
            found.append("determined dimension")
    others = [one for one in names if stored[one].level is not None and stored[one].zone != schema.zone]
    parts = [one for one in names if stored[one].filters]
    of_lists = [stored[name].multivalued for name in names]
    conditions = {
        "two lists": len(schema.multivalued.intersection(query.group)) > 1,
        "list from a projection": any(of_lists),
        "list pinned": any(of_lists) and not any(own <= set(query.group) for own in of_lists),
        "list left out": bool(schema.multivalued - asked),
        "another clock": bool(others),
        "part of the facts": bool(parts),
        "cover with another clock": bool(others) and len(names) > 1,
        "cover with part of the facts": bool(parts) and len(names) > 1,
        "fresh_since": query.fresh_since is not None,
        "stored set": any(schema.metrics[name].keep == "set" for name in plan.metrics),
        "filtered metric": any(schema.metrics[name].filters for name in plan.metrics),
        "widened": plan.widened,
        "filter": bool(query.filters),
        "filter NOT IN": any(one.exclude for one in query.filters),
        "implied filter": len(plan.query.filters) > len(query.filters),
        "limit": query.limit is not None,
        "open interval": query.start is None or query.end is None,
        "no time": schema.time is None,
        "coverage in part": len(trial.snapshot.catalog.coverages) > 1,
        "empty result": not records,
    }
    return found + [name for name, holds in conditions.items() if holds]
