"""What may be concluded: contrasts, equivalence, multiplicity and power."""

from audit.statistics.contrasts import two_way_contrast
from audit.statistics.equivalence import Equivalence, Gap, boundary_error, equivalence, exceeds
from audit.statistics.multiplicity import holm
from audit.statistics.paired import clustered_mean_difference, paired_contrast
from audit.statistics.placebo import Placebo, placebo_test
from audit.statistics.power import growth_for_equivalence, minimum_detectable_gap, smallest_equivalence_tolerance
from audit.statistics.variance import Contrast, two_way_spread

__all__ = [
    "Contrast",
    "Equivalence",
    "Gap",
    "Placebo",
    "boundary_error",
    "clustered_mean_difference",
    "equivalence",
    "exceeds",
    "growth_for_equivalence",
    "holm",
    "minimum_detectable_gap",
    "paired_contrast",
    "placebo_test",
    "smallest_equivalence_tolerance",
    "two_way_contrast",
    "two_way_spread",
]
