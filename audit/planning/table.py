"""The file of default variance components, as `scripts/estimate_components.py` writes it."""

from __future__ import annotations

from pydantic import Field

from audit.config import Strict


class Entry(Strict):
    """Standard deviations of one metric and cue channel, in its unit, and its mean level."""

    metric: str
    cue_channel: str
    scale: str
    level: float
    template: float = Field(ge=0)
    template_category: float = Field(ge=0)
    persona: float = Field(ge=0)
    persona_block: float = Field(ge=0)
    noise: float = Field(ge=0)


class TableFile(Strict):
    """The whole file."""

    model: str
    source: str
    seed: int
    components: tuple[Entry, ...]
