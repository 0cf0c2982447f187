"""Personal information in texts: found, masked, counted, and how well it is found."""

from audit.privacy.pii.canary_texts import emitted_secrets
from audit.privacy.pii.counting import Leaked, PiiRate, detections, generations_of, leaked_customers, pii_counts
from audit.privacy.pii.detector import open_detector
from audit.privacy.pii.generation import generation_prompts
from audit.privacy.pii.masking import mask, mask_text
from audit.privacy.pii.normalising import distinctive, normalise
from audit.privacy.pii.recall import Recall, recall_by_group
from audit.privacy.pii.values import TYPES, Detector, Found

__all__ = [
    "TYPES",
    "Detector",
    "Found",
    "Leaked",
    "PiiRate",
    "Recall",
    "detections",
    "distinctive",
    "emitted_secrets",
    "generation_prompts",
    "generations_of",
    "leaked_customers",
    "mask",
    "mask_text",
    "normalise",
    "open_detector",
    "pii_counts",
    "recall_by_group",
]
