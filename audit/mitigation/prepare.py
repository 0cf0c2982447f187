"""The model that is trained: what of it moves, and in which precision."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from audit.backends import models
from audit.config import FinetuneConfig
from audit.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

INSTALL = "pip install 'evenhand[finetune]'"


def load_for_training(name: str, settings: FinetuneConfig, seed: int) -> tuple[Any, Any]:
    """Load the model ``name`` and its tokenizer, with what ``settings`` train made trainable, in float32.

    Low-rank adapters sit on every linear layer but the head, without dropout; frozen weights keep
    ``settings.precision``. ``seed`` draws the adapters' first weights.

    Raises
    ------
    ConfigError
        If there is no such model, it carries adapters already, or PEFT is not installed.
    """
    import torch

    source = models.resolve(name)
    tokenizer = models.load_tokenizer(source)
    full = settings.method == "full"
    model: Any = models.load_model(source, "float32" if full else models.text_precision(settings.precision))
    if getattr(model, "_hf_peft_config_loaded", False):
        raise ConfigError(
            f"model {name!r}: carries adapters already; merge them first ('evenhand mitigate export'), and train that"
        )
    model.config.use_cache = False
    torch.manual_seed(seed)
    if full:
        model.requires_grad_(True)
        # The same promise for every weight: a layer that is skipped would be neither clipped nor noised.
        return model.train(), tokenizer
    return _with_adapters(model, settings).train(), tokenizer


def _with_adapters(model: Any, settings: FinetuneConfig) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise ConfigError(f"finetune.method: adapters need PEFT; {INSTALL}, or take method = 'full'") from error
    chosen = LoraConfig(
        r=settings.rank,
        lora_alpha=2 * settings.rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        bias="none",
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        # GPT-2's Conv1D holds its weights the other way round; PEFT sees it and says so.
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False")
        # PEFT asks by a name that transformers is giving up.
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        return get_peft_model(model, chosen)


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that are trained, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
