"""`wolap` and `python -m wolap`: the command line, where its extra is installed."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line. Without the extra `cli` it says how to get it."""
    try:
        from wolap.command import commands  # noqa: PLC0415 - needs the extra
    except ModuleNotFoundError as error:
        if error.name not in ("click", "rich", "uvicorn"):
            raise
        sys.exit(f"the command line needs {error.name}, which comes with pip install 'wolap[cli]'")
    commands()


if __name__ == "__main__":
    main()
