"""From what models said to what leaks and about whom: the findings of a privacy audit."""

from audit.privacy.measuring.stage import measure

__all__ = ["measure"]
