from __future__ import annotations

from pathlib import Path

import pytest

from audit.backends import open_backend
from audit.config import load_config
from audit.errors import ConfigError
from audit.planted import SCENARIOS
from audit.planted.spec import facts, read_spec
from tests import tiny


def test_every_scenario_can_be_named() -> None:
    for name, scenario in SCENARIOS.items():
        spec = read_spec(f"planted:{name}")
        assert scenario.world in (spec.world, spec.texts)


def test_a_scenario_can_be_changed() -> None:
    spec = read_spec("planted:sign-flip,axis=gender,nu=0.3,warm_gap=0.1")
    assert (spec.world.shape, spec.world.tau, spec.world.nu) == ("sign_flip", 0.5, 0.3)
    assert (spec.axis, spec.texts.nu, spec.texts.effect) == ("gender", 0.3, 0.1)


def test_a_model_after_the_at_may_hold_an_at_and_commas() -> None:
    spec = read_spec("planted:delta=-0.25,axis=age@hf:org/name@v1,2")
    assert (spec.inner, spec.delta) == ("hf:org/name@v1,2", -0.25)


def test_the_manifest_is_told_what_is_planted() -> None:
    told = facts(read_spec("planted:effect=0.5,axis=gender,group=female"))
    assert told["world"]["effect"] == 0.5
    assert (told["axis"], told["group"]) == ("gender", "female")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "unknown scenario ''; known are null, pure-noise"),
        ("sign-flop", "did you mean 'sign-flip'"),
        ("efect=1", "unknown key 'efect'; did you mean 'effect'"),
        ("null,quux=1", "unknown key 'quux'; known are axis, group"),
        ("null,effect", "'effect' is no key=value; write for example effect=0.3"),
        ("effect=much", "effect: 'much' is not a number"),
        ("effect=inf", "effect: 'inf' is not a number"),
        ("effect=nan", "effect: 'nan' is not a number"),
        ("nu=-1", "nu: '-1' is not a number from 0 on"),
        ("refusal=1.5", "refusal: '1.5' is not a number from 0 to 1"),
        ("draws=0", "draws: '0' is not a whole number from 1 on"),
        ("traps=yes", "traps: 'yes' is not 0 or 1"),
        ("shape=round", "shape: 'round' is not one of constant, sparse"),
        ("axis=", "axis: '' is not a word"),
        ("effect=1,effect=2", "effect stands twice"),
        ("warm=0.9,warm_gap=0.3", "warm: 0.9 with its gap is 1.2; keep both within 0 and 1"),
        ("group=female", "group: of which axis is 'female'"),
        ("effect=1,axis=gendre", "axis: 'gendre' is not in the persona file; known are gender, age"),
        ("effect=1,axis=gender,group=femal", "group: 'femal' is no group of gender; known are female, male"),
        ("effect=1,axis=gender,group=male", "'male' is the reference of gender"),
        ("delta=0.3", "delta is added to a real model's answers; name it after @"),
        ("delta=0.3@", "name the model to wrap after @"),
        ("delta=0.3,nu=1@hf:a/b", "unknown key 'nu'; known are axis, group, channel, delta, shift"),
        ("axis=age@hf:a/b", "says nothing to add to the model's answers"),
        ("delta=0.3@planted:null", "a planted model cannot wrap another"),
        ("delta=0.3@nowhere", "model 'nowhere': unknown"),
    ],
)
def test_a_mistake_in_a_spec_is_one_line_with_its_mend(spec: str, message: str, tmp_path: Path) -> None:
    config = load_config(tiny.write_audit(tmp_path, Path(f"planted:{spec}")))
    with pytest.raises(ConfigError) as caught:
        open_backend(config)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
