"""Adapters merged into their base model: a folder that transformers, vLLM and llama.cpp's converter read as it is."""

from __future__ import annotations

import os
import secrets
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from audit.backends import models
from audit.backends.models import Source
from audit.errors import BackendError, ConfigError, first_line
from audit.mitigation.bases import base_of
from audit.mitigation.card import write_card
from audit.mitigation.statement import check, write_statement

NO_PEFT: Final = "peft is not installed, which merges adapters; pip install 'evenhand[finetune]'"
# How far a log-probability of the merged model may lie from that with adapters, both in float32.
_APART: Final = 1e-3


def export_merged(folder: Path, out: Path, *, dtype: Literal["float32", "bfloat16"] = "float32") -> Path:
    """Merge the adapters in ``folder`` into their base and save the whole model, with tokenizer, as ``out``.

    The merging is in float32; ``dtype`` is that of the saved weights. A privacy statement goes with the model: what is
    done to weights after a private training costs no privacy. ``out`` is there as a whole or not at all.

    Raises
    ------
    ConfigError
        If ``folder`` holds no adapters, its statement is not of them, their base is not found, ``out`` is there
        already or cannot be written, or PEFT is not installed.
    BackendError
        If the merged model answers otherwise than the one with adapters.
    """
    folder, out = Path(folder), Path(out)
    if not folder.is_dir():
        raise ConfigError(f"{folder}: there is no such folder; name one with adapters")
    if os.path.lexists(out):
        raise ConfigError(f"{out}: is there already; name a new folder with --out, or remove it first")
    statement = check(folder)
    model, tokenizer = _merged(folder, base_of(folder), dtype), models.load_tokenizer(Source(str(folder), str(folder)))
    with _whole(out) as made:
        model.save_pretrained(made)
        tokenizer.save_pretrained(made)
        if statement is not None:
            merged = statement.model_copy(update={"merged_from": statement.weights})
            write_card(made, write_statement(made, merged))
    return out


def _merged(folder: Path, base: Source, dtype: str) -> Any:
    import torch

    try:
        from peft import PeftModel
    except ImportError as error:
        raise ConfigError(NO_PEFT) from error
    with warnings.catch_warnings():
        # PEFT asks transformers for what it calls otherwise now, and fears what is measured below.
        warnings.simplefilter("ignore")
        beneath = models.load_model(base, "float32")
        try:
            with_adapters = PeftModel.from_pretrained(beneath, str(folder)).eval()
        except Exception as error:  # of a config, of a weights file, of sizes that do not fit
            raise ConfigError(
                f"{folder}: its adapters do not fit {base.name} ({first_line(error)}); save them again"
            ) from error
        before = _answers(with_adapters)
        merged = with_adapters.merge_and_unload(safe_merge=True)
    apart = float((_answers(merged) - before).abs().max())
    if not apart < _APART:
        raise BackendError(
            f"{folder}: merged, the model's log-probabilities are off by {apart:.2g}; use the adapters unmerged "
            "(adapters on weights that two layers share cannot be merged into one)"
        )
    # What a base that was once quantised remembers, and save_pretrained refuses.
    merged.hf_quantizer = None
    if hasattr(merged.config, "quantization_config"):
        del merged.config.quantization_config
    merged.config.use_cache = True
    merged._hf_peft_config_loaded = False
    return merged.to(getattr(torch, dtype))


def _answers(model: Any) -> Any:
    """Log-probabilities behind a few tokens; shape (tokens, vocabulary)."""
    import torch

    vocabulary = model.get_input_embeddings().num_embeddings
    ids = torch.arange(1, 33).remainder(vocabulary).unsqueeze(0).to(model.device)
    with torch.inference_mode():
        return model(input_ids=ids, use_cache=False).logits[0].float().log_softmax(-1)


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A folder that becomes ``out`` when all is written to it."""
    from safetensors import SafetensorError

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
        work.mkdir()
    except OSError as error:
        raise ConfigError(
            f"{out.parent}: cannot write here ({error.strerror}); name another folder with --out"
        ) from error
    try:
        yield work
        os.rename(work, out)
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"{out}: cannot be written ({first_line(error)}); make room, or name another folder"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
