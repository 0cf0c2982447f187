"""What may be concluded: contrasts, equivalence, multiplicity and power."""

from audit.statistics.bootstrap import GroupMeans, bootstrap_weights, group_means
from audit.statistics.components import EstimatedComponents, Moment
from audit.statistics.contrasts import two_way_contrast
from audit.statistics.design import Components, Needed, design_error, needed
from audit.statistics.distances import MeanDistance, mean_distance
from audit.statistics.equivalence import Equivalence, Gap, boundary_error, equivalence, exceeds
from audit.statistics.heterogeneity import (
    BlockGap,
    Heterogeneity,
    block_heterogeneity,
    paired_heterogeneity,
    worst_blocks,
)
from audit.statistics.magnitudes import Excess, excess
from audit.statistics.missingness import Bounds, worst_case_bounds
from audit.statistics.multiplicity import benjamini_hochberg, holm
from audit.statistics.paired import clustered_mean_difference, paired_contrast
from audit.statistics.permutation import Permutation, mean_gap, name_permutation, sign_permutation
from audit.statistics.placebo import Placebo, placebo_test
from audit.statistics.power import growth_for_equivalence, minimum_detectable_gap, smallest_equivalence_tolerance
from audit.statistics.proportions import (
    ClusteredRate,
    below_limit,
    clopper_pearson,
    cluster_rate,
    design_effect,
    exceeds_limit,
    wilson,
)
from audit.statistics.quantiles import quantile_contrast
from audit.statistics.rate_differences import (
    RateDifference,
    newcombe_difference,
    paired_rate_difference,
    square_and_add,
    tango_difference,
)
from audit.statistics.rates import paired_rate_contrast, rate_contrast
from audit.statistics.ratios import judge_ratio, paired_ratio_contrast, ratio_contrast
from audit.statistics.sequential import ConfidenceSequence, confidence_sequence, e_process, looks, spend
from audit.statistics.variance import Contrast, two_way_spread
from audit.statistics.wasserstein import Wasserstein, wasserstein_gap

__all__ = [
    "BlockGap",
    "Bounds",
    "ClusteredRate",
    "Components",
    "ConfidenceSequence",
    "Contrast",
    "Equivalence",
    "EstimatedComponents",
    "Excess",
    "Gap",
    "GroupMeans",
    "Heterogeneity",
    "MeanDistance",
    "Moment",
    "Needed",
    "Permutation",
    "Placebo",
    "RateDifference",
    "Wasserstein",
    "below_limit",
    "benjamini_hochberg",
    "block_heterogeneity",
    "bootstrap_weights",
    "boundary_error",
    "clopper_pearson",
    "cluster_rate",
    "clustered_mean_difference",
    "confidence_sequence",
    "design_effect",
    "design_error",
    "e_process",
    "equivalence",
    "exceeds",
    "exceeds_limit",
    "excess",
    "group_means",
    "growth_for_equivalence",
    "holm",
    "judge_ratio",
    "looks",
    "mean_distance",
    "mean_gap",
    "minimum_detectable_gap",
    "name_permutation",
    "needed",
    "newcombe_difference",
    "paired_contrast",
    "paired_heterogeneity",
    "paired_rate_contrast",
    "paired_rate_difference",
    "paired_ratio_contrast",
    "placebo_test",
    "quantile_contrast",
    "rate_contrast",
    "ratio_contrast",
    "sign_permutation",
    "smallest_equivalence_tolerance",
    "spend",
    "square_and_add",
    "tango_difference",
    "two_way_contrast",
    "two_way_spread",
    "wasserstein_gap",
    "wilson",
    "worst_blocks",
    "worst_case_bounds",
]
