"""The records that a model is fine-tuned on: read, written, and made up.

:func:`find_layout` says which column holds what, :func:`read_records` streams a
file as :class:`Record` values, and :func:`generate` makes records whose every
identifier is known.
"""

from audit.privacy.records.customers import LOCALES
from audit.privacy.records.generate import generate, generated_layout, write_records
from audit.privacy.records.layouts import LAYOUTS, Layout, find_layout
from audit.privacy.records.problems import Problems
from audit.privacy.records.reading import group_counts, groups_with_one_value, read_records, read_texts
from audit.privacy.records.repeats import keys_of, repeated, shared, text_key
from audit.privacy.records.rows import Row, columns_of, read_rows, write_rows
from audit.privacy.records.values import IDENTIFIER_TYPES, Record, place_of, record_id

__all__ = [
    "IDENTIFIER_TYPES",
    "LAYOUTS",
    "LOCALES",
    "Layout",
    "Problems",
    "Record",
    "Row",
    "columns_of",
    "find_layout",
    "generate",
    "generated_layout",
    "group_counts",
    "groups_with_one_value",
    "keys_of",
    "place_of",
    "read_records",
    "read_rows",
    "read_texts",
    "record_id",
    "repeated",
    "shared",
    "text_key",
    "write_records",
    "write_rows",
]
