"""The model that adapters sit on: where their config says, or where evenhand keeps it on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from audit.backends import models
from audit.backends.models import Source
from audit.errors import ConfigError, first_line
from audit.mitigation.statement import read_statement

ADAPTERS: Final = "adapter_config.json"


def base_of(folder: Path) -> Source:
    """Tell where the base model of the adapters in ``folder`` lies.

    The embedded model lies in the cache of whoever trained, and the adapters' config names that folder; elsewhere
    privacy.json says which model is meant.

    Raises
    ------
    ConfigError
        If the folder holds no adapters, or their base is a folder that is not there and nothing else tells of it.
    """
    named = _named(folder)
    if Path(named).is_dir():
        return Source(named, named)
    statement = read_statement(folder)
    if statement is not None and statement.base.name.startswith("embedded:"):
        return models.resolve(statement.base.name)
    if Path(named).is_absolute():
        raise ConfigError(
            f"{folder / ADAPTERS}: base_model_name_or_path: {named!r} is no folder of this machine; write there the "
            "name of the base model on a hub, or the folder where it lies"
        )
    return models.resolve(f"hf:{named}")


def base_elsewhere(folder: Path) -> Source | None:
    """Where the base of adapters lies if not where their config says; None for all that transformers finds itself."""
    if not (folder / ADAPTERS).is_file() or (folder / "config.json").is_file():
        return None
    named = Path(_named(folder))
    return base_of(folder) if named.is_absolute() and not named.is_dir() else None


def _named(folder: Path) -> str:
    config = folder / ADAPTERS
    try:
        return str(json.loads(config.read_text(encoding="utf-8"))["base_model_name_or_path"])
    except FileNotFoundError as error:
        raise ConfigError(f"{folder}: holds no adapters (no {ADAPTERS})") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{config}: cannot be read ({first_line(error)}); save the adapters again") from error
