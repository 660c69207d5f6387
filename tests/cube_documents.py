"""A cube file that is right, to be changed by one section at a time."""

from __future__ import annotations

GOOD = {
    "cube": 'name = "sales"',
    "time": 'column = "at"',
    "dimensions": "country = {}\ncity = {}",
    "metrics": 'sales = "count"\namount = { sum = "amount" }',
    "trees": 'main = """\nyear\n  country\n"""',
}


def document(more: str = "", **sections: str) -> str:
    """A declaration with some of its sections in another form; `more` stands behind them."""
    return "\n".join(f"[{name}]\n{body}" for name, body in {**GOOD, **sections}.items() if body) + "\n" + more
