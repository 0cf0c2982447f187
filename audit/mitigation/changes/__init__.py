"""What a cell's folder says of it, and how it differs from another: rows of the table ``frontier``.

Every change is taken on the same probes, canaries, records or customers under both models. The
intervals are of one change each: many stand in one table, and nothing corrects for how many. They
describe; a claim is what 'evenhand gate' judges on a run.
"""

from audit.mitigation.changes.direction import Direction, Interval, direction, size_change

__all__ = ["Direction", "Interval", "direction", "size_change"]
