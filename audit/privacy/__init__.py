"""What a fine-tuned model learnt by heart, and about whom.

The figures of the audit as functions on arrays, so that anyone can check them:

>>> from audit import privacy
>>> privacy.epsilon_lower_bound(1000, 250, 250, delta=1e-5) > 4
True
>>> privacy.exposure([1.0], [2.0, 3.0, 4.0]).bits.tolist()
[2.0]

:func:`audit.privacy.run.audit_privacy` is the whole audit; ``records`` reads what a model was trained on,
``planting`` puts canaries into it, ``likelihood`` reads texts, ``pii`` finds personal information.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.privacy.attacks.by_group import by_group
    from audit.privacy.attacks.exposure import exposure
    from audit.privacy.attacks.extraction import discoverable_extraction, extraction_probability, k_extractable
    from audit.privacy.attacks.membership import membership_scores
    from audit.privacy.attacks.one_run import audit_one_run, epsilon_lower_bound
    from audit.privacy.attacks.rates import auc_with_interval, tpr_at_fpr
    from audit.privacy.run import audit_privacy

__all__ = [
    "auc_with_interval",
    "audit_one_run",
    "audit_privacy",
    "by_group",
    "discoverable_extraction",
    "epsilon_lower_bound",
    "exposure",
    "extraction_probability",
    "k_extractable",
    "membership_scores",
    "tpr_at_fpr",
]

_HOMES = {
    "audit_one_run": "audit.privacy.attacks.one_run",
    "audit_privacy": "audit.privacy.run",
    "auc_with_interval": "audit.privacy.attacks.rates",
    "by_group": "audit.privacy.attacks.by_group",
    "discoverable_extraction": "audit.privacy.attacks.extraction",
    "epsilon_lower_bound": "audit.privacy.attacks.one_run",
    "exposure": "audit.privacy.attacks.exposure",
    "extraction_probability": "audit.privacy.attacks.extraction",
    "k_extractable": "audit.privacy.attacks.extraction",
    "membership_scores": "audit.privacy.attacks.membership",
    "tpr_at_fpr": "audit.privacy.attacks.rates",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'audit.privacy' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
