"""The run folder of a privacy audit: generated texts and leaks may hold personal values, so it is its owner's alone."""

from __future__ import annotations

from pathlib import Path

from audit.errors import ConfigError
from audit.manifest import Manifest


def claim(folder: Path) -> None:
    """Make ``folder`` for its owner alone, or take one that is empty or holds a run; its mode is left as it is then.

    Raises
    ------
    ConfigError
        If the folder holds something else, or cannot be made or read; nothing in it is touched.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
    except FileExistsError:
        _require_ours(folder)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot write here ({error.strerror}); name another folder with --out") from error


def _require_ours(folder: Path) -> None:
    try:
        empty = next(folder.iterdir(), None) is None
    except OSError as error:
        raise ConfigError(f"{folder}: is no folder to write in ({error.strerror}); name another with --out") from error
    if not empty and "run_id" not in Manifest.load(folder).data:
        raise ConfigError(f"{folder}: holds other files and no run; name a new folder with --out")
