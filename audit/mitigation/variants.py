"""The cells of a mitigation: which variants there are, what each is compared with, and what each is asked by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from audit.config import Config
from audit.errors import ConfigError
from audit.mitigation.prompts import short_name

Variant = Literal["base", "ft", "ft+cda", "dp", "dp+cda", "prompt"]
Domain = Literal["fairness", "privacy", "utility", "budget"]
PRIVATE: Final[frozenset[Variant]] = frozenset({"dp", "dp+cda"})
AUGMENTED: Final[frozenset[Variant]] = frozenset({"ft+cda", "dp+cda"})
UNTRAINED: Final[frozenset[Variant]] = frozenset({"base", "prompt"})


@dataclass(frozen=True, slots=True)
class Cell:
    """A variant at an epsilon, or a prompt: a model that is audited. ``name`` is that of its folder."""

    name: str
    variant: Variant
    epsilon: float | None = None
    prompt: str | None = None

    @property
    def trained(self) -> bool:
        """Whether it has weights of its own."""
        return self.variant not in UNTRAINED

    @property
    def private(self) -> bool:
        """Whether its training promises an epsilon."""
        return self.variant in PRIVATE

    @property
    def domains(self) -> tuple[Domain, ...]:
        """What there is to measure of it. A prompt changes no weights, so that it has no privacy of its own."""
        if self.private:
            return ("fairness", "privacy", "utility", "budget")
        return ("fairness", "utility") if self.variant == "prompt" else ("fairness", "privacy", "utility")


def plan(config: Config) -> tuple[Cell, ...]:
    """The cells that ``config.mitigation`` asks for, in the order in which they are done.

    What others are compared with comes before them, and each epsilon is finished before the next, so that a
    mitigation that is stopped early has whole comparisons.

    Raises
    ------
    ConfigError
        If two prompts have one name.

    >>> from audit.config import MitigationConfig
    >>> config = Config(mitigation=MitigationConfig(epsilons=(8.0, 0.5), prompts=("even",)))
    >>> [cell.name for cell in plan(config)]
    ['base', 'ft', 'ft-cda', 'dp-e8', 'dp-cda-e8', 'dp-e0.5', 'dp-cda-e0.5', 'prompt-even']
    """
    wanted, settings = frozenset(config.mitigation.variants), config.mitigation
    plain: tuple[tuple[str, Variant], ...] = (("base", "base"), ("ft", "ft"), ("ft-cda", "ft+cda"))
    cells = [Cell(name, variant) for name, variant in plain if variant in wanted]
    private: tuple[tuple[str, Variant], ...] = (("dp", "dp"), ("dp-cda", "dp+cda"))
    for epsilon in dict.fromkeys(settings.epsilons):
        cells += [
            Cell(f"{name}-e{epsilon:.12g}", variant, epsilon=epsilon) for name, variant in private if variant in wanted
        ]
    cells += [Cell(f"prompt-{short_name(name)}", "prompt", prompt=name) for name in dict.fromkeys(settings.prompts)]
    names = [cell.name for cell in cells]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"mitigation.prompts: two of them are called {twice}; give one of the files another name")
    return tuple(cells)


def compared_with(cell: Cell, cells: Sequence[Cell]) -> list[Cell]:
    """The cells of ``cells`` that ``cell`` is compared with: always the base, and what one step of its making adds to.

    >>> cells = plan(Config())
    >>> {cell.name: [other.name for other in compared_with(cell, cells)] for cell in cells[1:]}
    {'ft': ['base'], 'ft-cda': ['base', 'ft'], 'dp-e8': ['base', 'ft'], 'dp-cda-e8': ['base', 'dp-e8']}
    """
    before: dict[Variant, tuple[Variant, ...]] = {
        "base": (),
        "prompt": ("base",),
        "ft": ("base",),
        "ft+cda": ("base", "ft"),
        "dp": ("base", "ft"),
        "dp+cda": ("base", "dp"),
    }
    wanted = before[cell.variant]
    return [
        other for other in cells if other.variant in wanted and (not other.private or other.epsilon == cell.epsilon)
    ]


def training_config(config: Config, cell: Cell) -> Config:
    """What the cell is trained by: privacy and copies are the cell's, all else is [finetune]'s."""
    own = {
        "private": cell.private,
        "epsilon": cell.epsilon,
        "noise_multiplier": None,
        "augment": config.mitigation.augment if cell.variant in AUGMENTED else (),
    }
    return config.model_copy(update={"finetune": config.finetune.model_copy(update=own)})


def fairness_config(config: Config, cell: Cell, model: str) -> Config:
    """What the cell's answers are audited by; ``model`` is the base, or the folder that the training left."""
    return config.changed("model", name=model, prompt=cell.prompt)


def privacy_config(config: Config, cell: Cell, model: str) -> Config:
    """What is asked of what the cell learnt by heart: the base stands beside each that was trained on it."""
    # What is claimed stands in the statement beside the weights, with the δ that it holds at.
    own = {"base": config.model.name if cell.trained else None, "claimed_epsilon": None}
    named = config.model_copy(update={"privacy": config.privacy.model_copy(update=own)})
    return named.changed("model", name=model)
