"""Engines of plain Opacus pieces: right ones, and ones with a mistake that raises nothing in a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from opacus import GradSampleModule
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from opacus.optimizers import DPOptimizer, DPOptimizerFastGradientClipping
from opacus.utils.fast_gradient_clipping_utils import DPTensorFastGradientClipping
from torch import Tensor, nn

from audit.mitigation import data
from audit.mitigation.values import Batch, Unit
from tests import tiny

VOCABULARY, MAX_TOKENS = 120, 40


def collate(units: Sequence[Unit]) -> Batch:
    """Units as the shipped collation puts them together."""
    return data.collate(units, pad=0)


def first_rows(units: Sequence[Unit]) -> Batch:
    """For engines that know rows and no units: a unit's first row alone."""
    return collate([Unit(unit.unit_id, unit.rows[:1]) for unit in units])


def settings(**changes: Any) -> dict[str, Any]:
    """What a pre-flight is told of the engines here."""
    return {
        "vocabulary": VOCABULARY,
        "max_tokens": MAX_TOKENS,
        "max_grad_norm": 1.0,
        "noise_multiplier": 0.7,
        "divisor": 8.0,
        "texts": 3,
        "physical_batch": 8,
    } | changes


@dataclass
class Wired:
    """A wrapped model, its optimizer and how a batch is read."""

    model: Any
    optimizer: Any
    reads: Callable[[Any, Any, Batch], None]

    def backward(self, batch: Batch) -> None:
        self.reads(self.model, self.optimizer, batch)


def model(kind: str = "Llama", *, lora: bool = False, **changes: Any) -> Any:
    """A tiny model in training, whole or with adapters."""
    layers = {"n_layer": 1} if kind == "GPT2" else {"num_hidden_layers": 1}
    made = tiny.model(kind, VOCABULARY, initializer_range=0.1, **layers, **changes)
    made.config.use_cache = False
    if lora:
        from peft import LoraConfig, get_peft_model

        chosen = LoraConfig(
            r=4,
            target_modules=["c_attn", "c_proj"] if kind == "GPT2" else "all-linear",
            lora_dropout=0.1,
            fan_in_fan_out=kind == "GPT2",
        )
        made = get_peft_model(made, chosen)
    else:
        made.requires_grad_(True)
    return made.train()


def hooks(made: Any, reads: Callable[[Any, Any, Batch], None], **changes: Any) -> Wired:
    """Per-sample gradients of Opacus's hooks, clipped by its optimizer."""
    wrapped = GradSampleModule(made, loss_reduction="sum", strict=False)
    return Wired(wrapped, _optimizer(DPOptimizer, wrapped, **changes), reads)


def ghost(made: Any, reads: Callable[[Any, Any, Batch], None], **changes: Any) -> Wired:
    """Opacus's ghost clipping, which leaves a gradient that is clipped already."""
    norm = changes.get("max_grad_norm", 1.0)
    wrapped = GradSampleModuleFastGradientClipping(made, loss_reduction="sum", strict=False, max_grad_norm=norm)
    return Wired(wrapped, _optimizer(DPOptimizerFastGradientClipping, wrapped, **changes), reads)


def _optimizer(kind: Any, wrapped: nn.Module, **changes: Any) -> Any:
    inner = torch.optim.AdamW([p for p in wrapped.parameters() if p.requires_grad], lr=1e-3)
    wanted = {"noise_multiplier": 0.7, "max_grad_norm": 1.0, "expected_batch_size": 8.0} | changes
    return kind(inner, **wanted)


def token_losses(made: Any, batch: Batch, *, positions: bool = True) -> tuple[Tensor, Tensor]:
    """Losses of all tokens but the first, and which of them count; both (rows, tokens - 1)."""
    more = {"position_ids": batch.position_ids} if positions else {}
    logits = made(input_ids=batch.input_ids, attention_mask=batch.attention_mask, **more).logits
    labels, counted = batch.input_ids[:, 1:], batch.attention_mask[:, 1:]
    found = nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), labels, reduction="none")
    return found * counted, counted


def row_losses(made: Any, batch: Batch, **more: Any) -> Tensor:
    """Mean loss of each row's own tokens."""
    losses, counted = token_losses(made, batch, **more)
    return losses.sum(1) / counted.sum(1).clamp(min=1)


def back(loss: Any) -> None:
    """A backward pass."""
    loss.backward()


def zeros(made: Any) -> None:
    """What an empty batch leaves behind."""
    for parameter in made.parameters():
        if parameter.requires_grad:
            parameter.grad_sample = torch.zeros(0, *parameter.shape)
            parameter.grad = torch.zeros_like(parameter)


def reads_right(made: Any, optimizer: Any, batch: Batch) -> None:
    """The loss of each unit by itself, its rows put together before it is clipped."""
    if not batch.units:
        return zeros(made)
    back((row_losses(made, batch) * batch.weight).sum())
    for parameter in made.parameters():
        if parameter.requires_grad:
            rows = parameter.grad_sample
            units = torch.zeros(batch.units, *parameter.shape)
            parameter.grad_sample = units.index_add(0, batch.unit, rows)


def reads_rows(made: Any, optimizer: Any, batch: Batch) -> None:
    """Right but for units of several rows: each row is clipped by itself."""
    if not batch.units:
        return zeros(made)
    back(row_losses(made, batch).sum())


def reads_ghost(made: Any, optimizer: Any, batch: Batch) -> None:
    """Right: Opacus's own two backward passes over the losses of rows."""
    if not batch.units:
        return zeros(made)
    DPTensorFastGradientClipping(made, optimizer, row_losses(made, batch), "sum").backward()
    made.enable_hooks()


def reads_model_loss(made: Any, optimizer: Any, batch: Batch) -> None:
    """The mistake of model(labels=...): in ghost mode nothing clips this gradient, and nothing says so."""
    if not batch.units:
        return zeros(made)
    labels = batch.input_ids.masked_fill(batch.attention_mask == 0, -100)
    made(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        position_ids=batch.position_ids,
        labels=labels,
    ).loss.backward()


def reads_token_mean(made: Any, optimizer: Any, batch: Batch) -> None:
    """The mistake of a mean over all tokens of the batch: each unit's gradient depends on the others' lengths."""
    if not batch.units:
        return zeros(made)
    losses, counted = token_losses(made, batch)
    back(losses.sum() / counted.sum().clamp(min=1) * batch.units)
