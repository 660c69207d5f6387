"""wolap: an in-process OLAP engine for drill-down reports.

A projection answers a query when its grain is at least as fine and every metric can be merged from it.
"""

from wolap.cube import Cube, Result
from wolap.engine.verdict import Difference, Verdict
from wolap.errors import (
    Cancelled,
    MetricOverflow,
    NoAnswer,
    QueryError,
    SchemaError,
    StorageError,
    TooExpensive,
    WolapError,
)
from wolap.model.aggregate import (
    Metric,
    approximate_distinct,
    count,
    derived,
    distinct,
    first,
    last,
    maximum,
    mean,
    median,
    minimum,
    quantile,
    ratio,
    standard_deviation,
    total,
    variance,
    weighted_mean,
)
from wolap.model.principal import EVERYONE, Caps, Principal
from wolap.model.projection import Projection, declare_projection
from wolap.model.query import Filter, Query
from wolap.model.schema import Dimension, Schema, Time
from wolap.model.tree import Tree
from wolap.planner.advice import Advice
from wolap.planner.plan import Plan

__version__ = "0.1.0"

__all__ = [
    "EVERYONE",
    "Advice",
    "Cancelled",
    "Caps",
    "Cube",
    "Difference",
    "Dimension",
    "Filter",
    "Metric",
    "MetricOverflow",
    "NoAnswer",
    "Plan",
    "Principal",
    "Projection",
    "Query",
    "QueryError",
    "Result",
    "Schema",
    "SchemaError",
    "StorageError",
    "Time",
    "TooExpensive",
    "Tree",
    "Verdict",
    "WolapError",
    "approximate_distinct",
    "count",
    "declare_projection",
    "derived",
    "distinct",
    "first",
    "last",
    "maximum",
    "mean",
    "median",
    "minimum",
    "quantile",
    "ratio",
    "standard_deviation",
    "total",
    "variance",
    "weighted_mean",
]
