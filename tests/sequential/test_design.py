"""Which probes a look asks."""

from __future__ import annotations

import itertools

import pytest

from audit.errors import ConfigError
from audit.probes import expand
from audit.sequential import plan_looks, rows_of_look, wanted

NEEDS = {("swap", "gender"), ("swap", "race"), ("pay", "gender"), ("pay", "race")}


def test_what_is_needed_is_what_rules_cover(config):
    personas, probes = expand(config)
    assert wanted(probes, personas, config) == NEEDS


def test_looks_are_nested_and_the_last_has_every_wording(config):
    personas, probes = expand(config)
    looks = plan_looks(probes, personas, NEEDS, config)
    sizes = [len(look.templates["swap"]) for look in looks]
    assert sizes == [5, 10, 14]
    for earlier, later in itertools.pairwise(looks):
        assert later.templates["pay"][: len(earlier.templates["pay"])] == earlier.templates["pay"]


def test_the_looks_together_ask_every_probe_once(config):
    personas, probes = expand(config)
    looks = plan_looks(probes, personas, NEEDS, config)
    befores = [None, *looks[:-1]]
    rows = [
        row
        for look, before in zip(looks, befores, strict=True)
        for row in rows_of_look(probes, personas, look, before, NEEDS).tolist()
    ]
    assert sorted(rows) == list(range(probes.num_rows))


def test_a_decided_task_is_not_asked_any_more(config):
    personas, probes = expand(config)
    looks = plan_looks(probes, personas, NEEDS, config)
    rows = rows_of_look(probes, personas, looks[1], looks[0], {("pay", "race")})
    assert set(probes.take(rows)["task"].to_pylist()) == {"pay"}


def test_the_order_of_wordings_follows_the_seed(config):
    personas, probes = expand(config)
    one = plan_looks(probes, personas, NEEDS, config)
    assert one == plan_looks(probes, personas, NEEDS, config)
    assert one != plan_looks(probes, personas, NEEDS, config.changed("run", seed=1))


def test_a_budget_takes_wordings_off_the_last_look(config):
    personas, probes = expand(config)
    afforded = config.changed("run", until_verdict="looks", budget=probes.num_rows // 2)
    looks = plan_looks(probes, personas, NEEDS, afforded)
    assert len(looks[-1].templates["swap"]) == 7
    assert rows_of_look(probes, personas, looks[-1], None, NEEDS).size <= probes.num_rows // 2


def test_a_budget_too_small_for_any_verdict_says_what_is_enough(config):
    personas, probes = expand(config)
    with pytest.raises(ConfigError, match=r"run.budget: 50 probes pay for 0 wordings.*allow at least (\d+)") as error:
        plan_looks(probes, personas, NEEDS, config.changed("run", until_verdict="looks", budget=50))
    enough = int(str(error.value).rpartition(" ")[2])
    plan_looks(probes, personas, NEEDS, config.changed("run", until_verdict="looks", budget=enough))
    with pytest.raises(ConfigError, match="allow at least"):
        plan_looks(probes, personas, NEEDS, config.changed("run", until_verdict="looks", budget=enough - 1))


def test_a_budget_needs_a_run_that_stops(config):
    with pytest.raises(ConfigError, match="budget is for runs that stop early"):
        config.changed("run", budget=100)


def test_a_run_without_rules_cannot_stop_at_a_verdict(config):
    personas, probes = expand(config)
    with pytest.raises(ConfigError, match="no rule covers"):
        plan_looks(probes, personas, set(), config)
