"""The house is kept: who sees whom, where strangers and clocks may be, how large a room is."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "wolap"
MODULES = sorted(ROOT.rglob("*.py"))

BELOW_CUBE = "errors model planner engine storage sources"
BELOW_WEB = f"{BELOW_CUBE} snapshot cube language representations"
BELOW_INFER = f"{BELOW_CUBE} snapshot cube cube_file cube_file_reader cube_file_text"
ALL = f"{BELOW_WEB} cube_file cube_file_reader cube_file_text infer verify apis web asgi wsgi command server __init__"

# Each room, and which others it may see. A room is a module or a package directly under wolap.
SEES = {
    "errors": "",
    "model": "errors",
    "planner": "errors model",
    "engine": "errors model planner",
    "storage": "errors model planner engine",
    "sources": "errors model planner engine",
    "snapshot": BELOW_CUBE,
    "declaring": "errors model",
    "given": "errors model engine",
    "changes": f"{BELOW_CUBE} snapshot",
    "schedules": f"{BELOW_CUBE}",
    "progress": "errors model",
    "versions": f"{BELOW_CUBE} snapshot changes schedules progress",
    "cube_file_reader": "errors model",
    "cube_file_text": "errors model planner",
    "home": f"{BELOW_CUBE} snapshot versions cube_file_reader cube_file_text",
    "cube": f"{BELOW_CUBE} snapshot declaring given changes progress versions home",
    "cube_file": f"{BELOW_CUBE} cube cube_file_reader",
    "infer": BELOW_INFER,
    "verify": BELOW_INFER,
    "apis": BELOW_INFER,
    "language": "errors model",
    "representations": "errors model planner engine snapshot cube language",
    "web": f"{BELOW_WEB} cube_file_text",
    "asgi": "errors model cube web",
    "wsgi": "errors model cube web",
    "__init__": f"{BELOW_INFER} infer verify language representations web",
    "command": ALL,
    "server": ALL,
    "__main__": ALL,
}
ARROW = {"numpy", "pyarrow", "polars"}
SEES_ARROW = {
    "engine",
    "storage",
    "sources",
    "snapshot",
    "given",
    "changes",
    "versions",
    "home",
    "cube",
    "representations",
    "apis",
}
SEES_STRANGERS = {"command", "server"}
# The modules that an extra serves, and what they may see of it.
EXTRAS = {"web/compression.py": {"isal"}, "storage/checksum.py": {"isal"}, "engine/loops.py": {"numba"}}
HAS_CLOCK = {"asgi", "wsgi", "command", "server"}
# Nobody else asks what time it is: no module `time`, and nothing that is called by one of these names.
CLOCKS = {"now", "utcnow", "today"}
STOPWATCH = {"web": {"time.perf_counter"}}
NO_NAMES = {"utils", "common", "helpers", "base", "core", "manager"}


def room_of(parts: tuple[str, ...]) -> str:
    """The room of `("wolap", "model", "level")`; what is no module of wolap is a public name of its `__init__`."""
    inside = len(parts) > 1 and ((ROOT / parts[1]).is_dir() or (ROOT / f"{parts[1]}.py").is_file())
    return parts[1] if inside else "__init__"


def imports(tree: ast.Module) -> set[tuple[str, ...]]:
    """Every imported name with the module that it is from, also within functions and for types only."""
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {tuple(name.split(".")) for name in found}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_module(module):
    text = module.read_text(encoding="utf-8")
    tree = ast.parse(text)
    own = module.relative_to(ROOT).with_suffix("").parts
    room, seen = own[0], imports(tree)

    rooms = {room_of(parts) for parts in seen if parts[0] == "wolap"}
    assert rooms - {room} <= set(SEES[room].split())

    strangers = {parts[0] for parts in seen} - {"wolap", "__future__"} - sys.stdlib_module_names
    assert not strangers & ARROW or room in SEES_ARROW
    extras = EXTRAS.get(module.relative_to(ROOT).as_posix(), set())
    assert not strangers - ARROW - extras or room in SEES_STRANGERS

    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    clocks = {call.attr for call in calls if isinstance(call, ast.Attribute)} & CLOCKS
    clocks |= {".".join(parts) for parts in seen if parts[0] == "time"}
    assert room in HAS_CLOCK or clocks <= STOPWATCH.get(room, set())

    assert len(text.splitlines()) <= 400
    assert not NO_NAMES & set(own)
    assert not re.findall("TODO|FIXME|XXX", text)


def test_no_two_rooms_see_each_other():
    free = {"command", "server", "__main__"}
    assert not [(one, two) for one in SEES for two in SEES[one].split() if one in SEES[two].split() and one not in free]
