"""Models with a known bias: worlds that answer as planted, and a wrapper that plants into a real model."""

from audit.planted.layouts import Layout, layout
from audit.planted.scenarios import SCENARIOS, Design, Scenario, draw
from audit.planted.world import World, generator, realise

__all__ = ["SCENARIOS", "Design", "Layout", "Scenario", "World", "draw", "generator", "layout", "realise"]
