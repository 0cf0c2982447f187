"""Which cells there are, in which order, and what each is trained and asked by."""

from __future__ import annotations

import pytest

from audit.config import Config
from audit.errors import ConfigError
from audit.mitigation.variants import compared_with, fairness_config, plan, privacy_config, training_config


def grid(**mitigation: object) -> Config:
    return Config.model_validate({"mitigation": mitigation, "model": {"name": "hf:shop/base"}})


def test_each_epsilon_is_finished_before_the_next() -> None:
    names = [cell.name for cell in plan(grid(epsilons=(1.0, 3.0, 8.0, 3.0)))]
    private = [f"{kind}-e{epsilon}" for epsilon in (1, 3, 8) for kind in ("dp", "dp-cda")]
    assert names == ["base", "ft", "ft-cda", *private]


def test_a_variant_that_is_not_wanted_is_no_cell_and_nothing_is_compared_with_it() -> None:
    cells = plan(grid(variants=("base", "dp", "dp+cda")))
    assert [cell.name for cell in cells] == ["base", "dp-e8", "dp-cda-e8"]
    assert [other.name for other in compared_with(cells[1], cells)] == ["base"]


def test_two_prompts_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two of them are called prompt-even; give one of the files another name"):
        plan(grid(prompts=("one/even.txt", "other/even.txt")))


def test_copies_are_compared_with_the_same_epsilon_alone() -> None:
    cells = plan(grid(epsilons=(1.0, 8.0)))
    found = {cell.name: [other.name for other in compared_with(cell, cells)] for cell in cells}
    assert found["dp-cda-e1"] == ["base", "dp-e1"] and found["dp-cda-e8"] == ["base", "dp-e8"]


@pytest.mark.parametrize(
    ("name", "private", "epsilon", "augment"),
    [
        ("ft", False, None, ()),
        ("ft-cda", False, None, ("gender",)),
        ("dp-e0.5", True, 0.5, ()),
        ("dp-cda-e0.5", True, 0.5, ("gender",)),
    ],
)
def test_a_cell_decides_privacy_and_copies_and_nothing_else(
    name: str, private: bool, epsilon: float | None, augment: tuple[str, ...]
) -> None:
    config = Config.model_validate(
        {
            "finetune": {"noise_multiplier": 0.7, "epsilon": None, "augment": ("region",), "epochs": 5},
            "mitigation": {"epsilons": (0.5,), "augment": ("gender",)},
        }
    )
    cell = next(cell for cell in plan(config) if cell.name == name)
    found = training_config(config, cell).finetune
    assert (found.private, found.epsilon, found.augment) == (private, epsilon, augment)
    assert found.noise_multiplier is None and found.epochs == 5


def test_what_is_claimed_is_left_to_the_statement_and_only_a_trained_cell_has_a_base() -> None:
    config = grid(prompts=("even",)).changed("privacy", claimed_epsilon=3.0)
    found = {cell.name: privacy_config(config, cell, "models/own") for cell in plan(config)}
    assert {cell.privacy.claimed_epsilon for cell in found.values()} == {None}
    assert found["ft"].privacy.base == "hf:shop/base" and found["base"].privacy.base is None
    assert found["ft"].model.name == "models/own"


def test_a_prompt_is_put_before_the_answers_of_its_cell_alone() -> None:
    config = grid(prompts=("even",))
    prompts = {cell.name: fairness_config(config, cell, "m").model.prompt for cell in plan(config)}
    assert prompts.pop("prompt-even") == "even" and set(prompts.values()) == {None}
