"""Tiny models to clip, batches of mixed lengths, and the gradients that autograd gives one unit at a time."""

from __future__ import annotations

from typing import Any

import torch

from audit.mitigation.clipping import Engine, engine_for
from audit.mitigation.clipping.engine import only as only
from audit.mitigation.data import collate
from audit.mitigation.losses import unit_losses
from audit.mitigation.values import Batch, Unit
from tests import tiny

VOCABULARY = 60
SINGLE = ((9,), (4,), (12,), (2,), (7,))
SEVERAL = ((9, 5), (4,), (12, 3, 6), (2,), (7, 8))


def model(kind: str, *, lora: bool = False, tied: bool = False, double: bool = True, **changes: Any) -> Any:
    """A model whose every parameter is trained, or whose adapters are, with B no longer at zero."""
    made = tiny.model(kind, VOCABULARY, tie_word_embeddings=tied, **changes)
    spread(made, 1.0)
    if not lora:
        made.requires_grad_(True)
    else:
        from peft import LoraConfig, get_peft_model

        conv = kind == "GPT2"
        made = get_peft_model(
            made,
            LoraConfig(
                r=3, lora_alpha=6, target_modules="all-linear", fan_in_fan_out=conv, bias="none", task_type="CAUSAL_LM"
            ),
        )
        spread(made, 0.2, only_zeros=True)
    return (made.double() if double else made).train()


def spread(model: Any, scale: float, *, only_zeros: bool = False) -> None:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1 or (only_zeros and not parameter.any()):
                parameter.add_(torch.randn(parameter.shape, generator=generator) * scale * 0.3)
    for module in model.modules():
        for name, value in list(vars(module).items()):
            if isinstance(value, float) and ("drop" in name or (name == "p" and "Dropout" in type(module).__name__)):
                setattr(module, name, 0.0)


def units(lengths: tuple[tuple[int, ...], ...] = SINGLE, seed: int = 1) -> list[Unit]:
    generator = torch.Generator().manual_seed(seed)

    def row(length: int) -> tuple[int, ...]:
        return tuple(torch.randint(0, VOCABULARY // 3, (length,), generator=generator).tolist())

    return [Unit(f"u{place}", tuple(row(length) for length in rows)) for place, rows in enumerate(lengths)]


def batch(lengths: tuple[tuple[int, ...], ...] = SINGLE, seed: int = 1) -> Batch:
    return collate(units(lengths, seed), pad=0)


def engine(model: Any, clipping: Any, *, norm: float = 1.0, noise: float = 0.0, divisor: float = 1.0) -> Engine:
    inner = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    return engine_for(model, inner, clipping=clipping, max_grad_norm=norm, noise_multiplier=noise, divisor=divisor)


def one_by_one(model: Any, batch: Batch) -> list[dict[str, torch.Tensor]]:
    """Each unit's gradient by autograd, read alone and without what others pad it to."""
    found = []
    for place in range(batch.units):
        alone = only(batch, torch.arange(batch.units) == place)
        wide = int(alone.attention_mask.sum(1).max())
        cut = Batch(
            alone.input_ids[:, :wide],
            alone.attention_mask[:, :wide],
            alone.position_ids[:, :wide],
            alone.unit,
            alone.weight,
            1,
        )
        names = {name: p for name, p in model.named_parameters() if p.requires_grad}
        gradients = torch.autograd.grad(unit_losses(model, cut).sum(), list(names.values()), allow_unused=True)
        found.append(
            {
                name: torch.zeros_like(p) if gradient is None else gradient
                for (name, p), gradient in zip(names.items(), gradients, strict=True)
            }
        )
    return found


def norm(gradients: dict[str, torch.Tensor]) -> float:
    return float(sum(gradient.square().sum() for gradient in gradients.values()) ** 0.5)


def clipped_sum(gradients: list[dict[str, torch.Tensor]], at: float) -> dict[str, torch.Tensor]:
    factors = [min(1.0, at / (norm(unit) + 1e-6)) for unit in gradients]
    return {
        name: sum((factor * unit[name] for factor, unit in zip(factors, gradients, strict=True)), torch.zeros(()))
        for name in gradients[0]
    }
