"""What is raised before a training that would break its promise."""

from __future__ import annotations

from audit.errors import ConfigError


class PreflightError(ConfigError):
    """The training is refused: what was found, with which batch, the likely cause and the mend, in one line."""
