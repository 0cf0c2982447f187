"""The user's own rules are checked against what there is, before anything is asked."""

from __future__ import annotations

import pytest

from audit.config import Config, GateConfig, RuleConfig
from audit.errors import ConfigError
from audit.gate import check_rules

GOOD = {"name": "own", "task": "refund_decision", "metric": "log_odds", "axis": "gender", "tolerance": 0.2}


def check(**changes: object) -> None:
    fields = {key: value for key, value in (GOOD | changes).items() if value is not None}
    check_rules(Config(gate=GateConfig(rules=(RuleConfig(**fields),))))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"metric": "p_favourable", "tolerance": None, "ratio": 0.8},
        {"task": "discount", "metric": "expected_number:q10"},
        {"axis": "age", "group": "older", "cue_channel": "explicit"},
        {"task": "service_reply", "metric": "rate_refused"},
    ],
)
def test_a_rule_on_what_there_is_is_fine(changes):
    check(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "refnd_decision"}, "rule 'own': task: unknown 'refnd_decision'; did you mean 'refund_decision'"),
        ({"metric": "bogus"}, "rule 'own': metric: unknown 'bogus'; known are"),
        ({"metric": "tone"}, "metric: unknown 'tone'"),
        ({"axis": "gendr"}, "axis: unknown 'gendr'; did you mean 'gender'"),
        ({"group": "femal"}, "group: unknown 'femal'; did you mean 'female'"),
        ({"cue_channel": "record"}, "cue_channel: unknown 'record'; known are explicit, name"),
        ({"tolerance": None, "ratio": 0.8}, "ratio: metric: unknown 'log_odds'; known are p_favourable"),
        ({"task": "discount", "metric": "expected_number:q0"}, "did you mean 'expected_number:q"),
    ],
)
def test_a_typo_is_told_with_its_mend(changes, words):
    with pytest.raises(ConfigError) as error:
        check(**changes)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
