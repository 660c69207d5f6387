"""What DuckDB and DataFusion are asked in SQL, in three ways: by members, by codes, by one number made of the codes."""

from __future__ import annotations

from benchmarks.engines.events import company, members
from benchmarks.engines.questions import ACCOUNTS, AMOUNT, KEY, SHOWN, Question

KEYS = ("members", "codes", "one key")


def ways(question: Question) -> list[tuple[str, str]]:
    """How keys may be written, and how accounts may be counted: those that differ."""
    keys = KEYS[question.counts_accounts : 1 if not question.sizes else 2 if len(question.sizes) == 1 else 3]
    return [(key, way) for key in keys for way in (("distinct", "rows") if question.counts_accounts else ("",))]


def statement(question: Question, keys: str, way: str, number: str) -> str:
    """The statement that reads table `facts` or `stored`; `number` is a type of 32 bits without sign."""
    table = "stored" if question.stored else "facts"
    names = [KEY] if keys == "one key" else [_column(name, keys) for name in question.sizes]
    source = f"{table}{_where(question)}"
    if keys == "one key":
        own = "account_code" if question.counts_accounts else ", ".join(question.metrics)
        source = f"(SELECT {_key(question, number)} AS {KEY}, {own} FROM {source}) AS keyed"
    if way == "rows":
        source = f"(SELECT DISTINCT {', '.join((*names, 'account_code'))} FROM {source}) AS pairs"
    text = f"SELECT {', '.join((*names, *_metrics(question, way)))} FROM {source}"
    if names:
        text += f" GROUP BY {', '.join(names)}"
    return f"{text} ORDER BY {question.metrics[0]} DESC LIMIT {question.top}" if question.top else text


def _column(name: str, keys: str) -> str:
    return SHOWN.get(name, name) if keys == "members" else f"{name}_code"


def _key(question: Question, number: str) -> str:
    text = ""
    for name, size in question.sizes.items():
        text = f"({text} * {size} + {name}_code::{number})" if text else f"{name}_code::{number}"
    return text


def _metrics(question: Question, way: str) -> list[str]:
    if question.counts_accounts:
        return [f"count(*) AS {ACCOUNTS}" if way == "rows" else f"count(DISTINCT account_code) AS {ACCOUNTS}"]
    # Sums of whole numbers are wider in DuckDB.
    return [f"sum({name}){'' if name == AMOUNT else '::BIGINT'} AS {name}" for name in question.metrics]


def _where(question: Question) -> str:
    conditions = []
    if question.of_company:
        conditions.append(f"company_code = {members('company').index(company())}")
    if question.dates:
        start, end = question.dates
        conditions.append(f"date >= DATE '{start}' AND date < DATE '{end}'")
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
