"""A trained model's folder, written in one step: weights, tokenizer, privacy statement, card."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from audit.errors import ConfigError
from audit.mitigation.card import write_card
from audit.mitigation.statement import PrivacyStatement, write_statement


def save(folder: Path, model: Any, tokenizer: Any, statement: PrivacyStatement) -> Path:
    """Write what was trained into ``folder``, in place of what lies there; return the folder.

    Adapters are saved as adapters. The statement is tied to the weights as they are written.

    Raises
    ------
    ConfigError
        If the folder cannot be written.
    """
    work = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    caching, model.config.use_cache = model.config.use_cache, True  # off only while it was trained
    try:
        model.save_pretrained(work)
        tokenizer.save_pretrained(work)
        write_card(work, write_statement(work, statement))
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(work, folder)
    except OSError as error:
        raise ConfigError(
            f"{folder}: cannot be written ({error.strerror}); free some space, or name another"
        ) from error
    finally:
        model.config.use_cache = caching
    return folder
