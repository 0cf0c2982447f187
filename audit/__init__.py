"""evenhand: measure whether a shop's LLM treats people evenly, and mend it.

The public API. Names are imported when first used, so that ``import audit`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit import calibration, gate, pipeline, planning, probes, statistics, tables
    from audit.config import Config, GateConfig, ModelConfig, RuleConfig, RunConfig, load_config
    from audit.errors import EvenhandError
    from audit.pipeline import run_audit

__all__ = [
    "Config",
    "EvenhandError",
    "GateConfig",
    "ModelConfig",
    "RuleConfig",
    "RunConfig",
    "calibration",
    "gate",
    "load_config",
    "pipeline",
    "planning",
    "probes",
    "run_audit",
    "statistics",
    "tables",
]

_HOMES = {
    "Config": "audit.config",
    "GateConfig": "audit.config",
    "ModelConfig": "audit.config",
    "RuleConfig": "audit.config",
    "RunConfig": "audit.config",
    "load_config": "audit.config",
    "EvenhandError": "audit.errors",
    "run_audit": "audit.pipeline",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __all__:
        return import_module(f"audit.{name}")
    raise AttributeError(f"module 'audit' has no attribute {name!r}")
