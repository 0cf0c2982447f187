"""Counterfactual data augmentation: copies of a customer's text as another customer would have written it.

Along an axis the words that tell the group change, and nothing else: numbers, codes, addresses and what is said of the
ware stay as they are. A copy is no new person: under differential privacy a record and its copies are one unit.

Sources: Lu et al. 2020 (arXiv 1807.11714) for swapping words both ways; Hall Maudslay et al. 2019 (arXiv 1909.00871)
for names.
"""

from audit.mitigation.augmentation.copies import AXES, check_axes, counterfactuals, describe, people_for
from audit.mitigation.augmentation.values import Change, Copy

__all__ = ["AXES", "Change", "Copy", "check_axes", "counterfactuals", "describe", "people_for"]
