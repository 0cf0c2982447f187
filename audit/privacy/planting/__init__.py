"""Canaries: making them, planting them into a training file by fair coins, and the ledger that remembers the coins.

A plant comes before a fine-tuning that happens elsewhere; the audit after it reads the ledger.
"""

from audit.privacy.planting.canaries import SECRET, Canary, make_canaries
from audit.privacy.planting.forms import Form, load_form, load_forms
from audit.privacy.planting.ledger import Chat, Guesses, Ledger, PlantedFile, check_files, read_ledger, write_ledger
from audit.privacy.planting.people import people_of
from audit.privacy.planting.plant import plant, plant_by

__all__ = [
    "SECRET",
    "Canary",
    "Chat",
    "Form",
    "Guesses",
    "Ledger",
    "PlantedFile",
    "check_files",
    "load_form",
    "load_forms",
    "make_canaries",
    "people_of",
    "plant",
    "plant_by",
    "read_ledger",
    "write_ledger",
]
