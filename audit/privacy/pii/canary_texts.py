"""Secrets of canaries in generated texts: how many texts hold one. The secrets themselves go nowhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from audit import tables
from audit.privacy.pii.searching import Index, key_of


def emitted_secrets(secrets: Mapping[str, str], completions: Mapping[str, pa.Table]) -> pa.Table:
    """Count the texts that hold each secret, however it is written there; a table ``emitted``.

    Parameters
    ----------
    secrets
        Canary id to its secret.
    completions
        Model to its table ``completions``.
    """
    # Of no type of its own: all that counts are its letters and digits.
    keys = {canary: key_of("secret", secret) for canary, secret in secrets.items()}
    index = Index(keys.values())
    rows: list[dict[str, Any]] = []
    for model, written in completions.items():
        seen = Counter(key for text in _texts(written) for key in index.inside(text))
        rows += [{"record_id": canary, "model": model, "texts": seen[key]} for canary, key in keys.items()]
    return tables.check("emitted", tables.from_rows("emitted", rows))


def _texts(completions: pa.Table) -> Iterable[str]:
    return (text for text in completions["text"].to_pylist() if text)
