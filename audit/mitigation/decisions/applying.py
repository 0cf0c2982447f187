"""How a service applies a rule: a function without dependencies, to be copied from the rule's card."""

from __future__ import annotations

import hashlib
from typing import Any


def apply_rule(rule: dict[str, Any], log_odds: float, case_id: str, group: str | None = None) -> tuple[bool, float]:
    """Return whether the case gets the favourable option, and with which probability it would have."""
    if log_odds != log_odds:  # no number
        raise ValueError("no log-odds: let a person decide this case")
    curve = rule["curves"][group if rule["uses_protected_attribute"] else "everyone"]
    chance = curve["below"]
    for threshold, passed in curve["steps"]:
        if log_odds > threshold:
            chance = passed
    digest = hashlib.sha256(f"{rule['salt']}:{case_id}".encode()).digest()
    draw = int.from_bytes(digest[:6], "big") / 2**48  # 0 <= draw < 1, the same whenever the case comes back
    return draw < chance, chance
