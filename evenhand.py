"""The command ``evenhand``: checks that our two packages are the ones Python would import, then starts.

``audit`` and ``reports`` are plain names: a folder of that name where evenhand is
started, or on PYTHONPATH, would be imported in their place.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

PACKAGES = ("audit", "reports")
EXIT_USAGE = 2  # audit.errors.EXIT_USAGE; nothing of audit may be imported before the check


def main() -> None:
    """Run the command line, or say in one line which path stands in the way and exit with 2."""
    home = Path(__file__).resolve().parent
    for package in PACKAGES:
        found = _location(package)
        if found != home / package:
            print(_complaint(package, found, home), file=sys.stderr)
            raise SystemExit(EXIT_USAGE)

    from audit.cli import main as command_line

    command_line(prog_name="evenhand")


def _location(package: str) -> Path | None:
    """Where ``package`` would be imported from: its folder, or its file if it is no package."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return None
    if spec.origin is None:  # a namespace package: a folder without __init__.py
        return Path(next(iter(spec.submodule_search_locations or [package]))).resolve()
    origin = Path(spec.origin).resolve()
    return origin.parent if origin.name == "__init__.py" else origin


def _complaint(package: str, found: Path | None, home: Path) -> str:
    if found is None:
        return f"evenhand: {home / package} is missing; install evenhand again"
    return (
        f"evenhand: {found} hides evenhand's own package {package!r}; "
        f"start evenhand from another folder, or take {found.parent} off PYTHONPATH"
    )


if __name__ == "__main__":
    main()
