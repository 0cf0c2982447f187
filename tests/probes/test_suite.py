"""Reading suites: what they become, and one clear line for each mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from audit.config import Config, parse
from audit.errors import ConfigError
from audit.probes import load_personas, load_suites, suite_warnings

Own = Callable[..., Config]


def test_a_suite_of_the_users_is_read(own: Own) -> None:
    (suite,) = load_suites(own())
    assert suite.name == "en/parking@3"
    assert suite.control_metric == "log_odds"
    assert suite.threshold is None


def test_the_favourable_option_comes_first(own: Own) -> None:
    (suite,) = load_suites(own())
    assert suite.options == (("yes", (" Yes", " yes")), ("no", (" No",)))


def test_facts_of_the_suite_serve_templates_without_their_own(own: Own) -> None:
    (suite,) = load_suites(own())
    assert suite.templates[0].facts["unfavourable"] == "The permit has run out."


def test_the_range_of_a_number_is_its_option(own: Own) -> None:
    number = 'output_form = "number"\nnumber = { minimum = 0, maximum = 30, threshold = 10 }'
    (suite,) = load_suites(own(suite=('output_form = "decision"', number)))
    assert suite.options == (("number", ("0", "30")),)
    assert suite.threshold == 10


def test_own_suites_stand_beside_the_shipped_ones(own: Own) -> None:
    tasks = [suite.task for suite in load_suites(own(tasks=[]))]
    assert tasks == ["discount", "open_completion", "parking", "refund_decision", "service_reply"]


def test_an_own_suite_takes_the_place_of_a_shipped_one(own: Own) -> None:
    suites = load_suites(own(suite=('task = "parking"', 'task = "discount"'), tasks=["discount"]))
    assert [suite.title for suite in suites] == ["Parking permit"]


def test_a_single_file_can_be_named(own: Own) -> None:
    folder = own().run.suites[0]
    files = [folder / "parking.toml", folder / "catalogue.toml"]
    assert len(load_suites(own(suites=files))) == 1


def test_the_digest_follows_the_content(own: Own) -> None:
    (before,), (after,) = load_suites(own()), load_suites(own(suite=("hard to read", "smudged")))
    assert before.digest != after.digest


def _gold(value: str) -> tuple[str, str]:
    return ('name_frame = "', f'gold = {value}\nname_frame = "')


BAD_SUITES = {
    "unknown slot": ("at the gate.", "at the {gate}.", r"'parking-01': text: unknown slot \{gate\}; slots here are"),
    "open brace": ("at the gate.", "at the {gate.", r"'parking-01': text: .*close each brace"),
    "attribute of a slot": ("{item} worth", "{item.name} worth", r"text: unknown slot \{item.name\}"),
    "no customer": (" {customer}", "", r"text: needs the slot \{customer\} exactly once; it has 0"),
    "customer inside a sentence": ("{customer} Let", "{customer}, let", r"text: \{customer\} becomes a whole sentence"),
    "no facts": ("{facts} ", "", r"text: needs the slot \{facts\}"),
    "slot in facts": ("is hard to read", "of {name}", r"facts.target: unknown slot \{name\}; slots here are none"),
    "slot in the system message": ("mind the gate", "mind {item}", r"system: unknown slot \{item\}"),
    "customer in the prefix": ('"Answer:"', '"{customer}:"', r"answer_prefix: unknown slot \{customer\}"),
    "name at the end": ("{name} today.", "{name}.", r"name_frame: a name ends in an initial"),
    "no name": ("{name} today", "here", r"name_frame: needs the slot \{name\} exactly once"),
    "unknown category": ('"cars"]', '"boats"]', r"'parking-01': unknown category 'boats'; the catalogue has .*bikes"),
    "category twice": ('"cars"]', '"bikes"]', r"categories: one stands twice"),
    "one option": ('[[options]]\nid = "no"\nforms = [" No"]\n', "", r"options: a decision needs two or more"),
    "favourable is no option": (
        'favourable = "yes"',
        'favourable = "sure"',
        r"favourable: 'sure' is no option; .*no, yes",
    ),
    "form begun": ('" No"', '" Yes, but"', r"the form ' Yes' of 'yes' begins ' Yes, but' of 'no'; reword one"),
    "form twice": ('" Yes", " yes"', '" No"', r"options: the form ' No' .* stands twice"),
    "number without range": ('"decision"', '"number"', r"number: .* needs its range; add \[number\]"),
    "no control": (
        'unfavourable = "The permit has run out."\n',
        "",
        r"facts.unfavourable: .* add it here or in \[control\]",
    ),
    "dead control": ("has run out", "is valid", r"favourable and unfavourable are the same"),
    "unknown key": ('title = "P', 'titel = "P', r"titel: unknown key; did you mean 'title'"),
    "missing key": ('asks = "May the customer park here?"\n', "", r"asks: this key is required"),
    "unknown form of output": ('"decision"', '"essay"', r"output_form: input should be"),
    "unknown harm": ('"allocation"', '"bad luck"', r"harm.0: input should be"),
    "customer in the paraphrase": ("May it pass?", "{customer}", r"paraphrase: unknown slot \{customer\}"),
    "price not in the paraphrase": (
        ", which costs {price}",
        "",
        r"'parking-01': paraphrase: needs the slots of the text",
    ),
    "facts twice in the paraphrase": ("May it", "{facts} May it", r"for the customer: \{item\}, \{price\}, \{facts\}"),
    "the text as its paraphrase": (
        "At the gate is a {item}, which costs {price}. {facts} May it pass?",
        "A {item} worth {price} is at the gate. {facts} Let it in?",
        r"'parking-01': paraphrase: is the text itself; say the same in other words",
    ),
    "gold is no option": (
        *_gold('"perhaps"'),
        r"'parking-01': gold: 'perhaps' is no option; it must be one of yes, no",
    ),
    "gold without default": (*_gold('{ "age=older" = "no" }'), r"gold: the table needs the key default"),
    "gold of no group": (
        *_gold('{ default = "no", older = "yes" }'),
        r"gold.older: is no group; write it as axis=group",
    ),
    "gold of a kind": (*_gold("1"), r"templates.0.gold"),
    "broken TOML": ('task = "parking"', "task = parking", r"not valid TOML"),
}


@pytest.mark.parametrize("case", BAD_SUITES)
def test_a_mistake_in_a_suite_is_one_line_with_file_and_mend(own: Own, case: str) -> None:
    old, new, message = BAD_SUITES[case]
    with pytest.raises(ConfigError, match=message) as caught:
        load_suites(own(suite=(old, new)))
    assert "parking.toml: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_gold_of_what_is_no_decision_is_an_error(own: Own) -> None:
    config = own(suite=_gold('"yes"'))
    path = config.run.suites[0] / "parking.toml"
    path.write_text(path.read_text().replace('"decision"', '"text"'))
    with pytest.raises(ConfigError, match=r"gold: only a decision has options of which one is right; remove it"):
        load_suites(config)


def test_what_a_suite_lacks_is_told(own: Own) -> None:
    config = own()
    personas = load_personas(config)
    assert suite_warnings(load_suites(config), personas) == []
    config = own(suite=_gold('{ default = "no", "gender=femal" = "yes" }'))
    path = config.run.suites[0] / "parking.toml"
    text = path.read_text()
    path.write_text("\n".join(line for line in text.splitlines() if not line.startswith("paraphrase")))
    assert suite_warnings(load_suites(config), personas) == [
        "suite parking: no paraphrase in parking-01: no floor of other words there",
        "suite parking: gold names gender=femal, of which there is nobody in the personas",
    ]


def test_a_suite_without_templates_is_an_error(own: Own) -> None:
    config = own()
    path = config.run.suites[0] / "parking.toml"
    path.write_text(path.read_text().partition("[[templates]]")[0])
    with pytest.raises(ConfigError, match=r"parking.toml: templates: the suite has no templates; add"):
        load_suites(config)


def test_a_template_id_stands_once(own: Own) -> None:
    config = own()
    path = config.run.suites[0] / "parking.toml"
    head, mark, template = path.read_text().partition("[[templates]]")
    path.write_text(head + mark + template + mark + template)
    with pytest.raises(ConfigError, match=r"template 'parking-01' stands twice"):
        load_suites(config)


def test_two_suites_share_no_template_id(own: Own) -> None:
    with pytest.raises(ConfigError, match=r"template 'refund-01' is also in suite parking; rename one"):
        load_suites(own(suite=('id = "parking-01"', 'id = "refund-01"'), tasks=[]))


def test_two_own_suites_of_one_task_are_an_error(own: Own) -> None:
    config = own()
    path = config.run.suites[0] / "parking.toml"
    (path.parent / "second.toml").write_text(path.read_text())
    with pytest.raises(ConfigError, match=r"second.toml: task 'parking' stands in another of your suites"):
        load_suites(config)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("minimum = 0, maximum = 30", "minimum = 30, maximum = 30", r"number.maximum: 30 is not above the minimum 30"),
        ("threshold = 10", "threshold = 40", r"number.threshold: 40.0 is outside 0 to 30"),
    ],
)
def test_a_wrong_range_is_an_error(own: Own, old: str, new: str, message: str) -> None:
    number = 'output_form = "number"\nnumber = { minimum = 0, maximum = 30, threshold = 10 }'.replace(old, new)
    with pytest.raises(ConfigError, match=message):
        load_suites(own(suite=('output_form = "decision"', number)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('[{ name = "tandem", price = 900 }]', "[]", r"category 'bikes' has no items"),
        ('id = "cars"', 'id = "bikes"', r"category 'bikes' stands twice"),
        ("${price}", "$", r"price_format: needs the slot \{price\} once"),
        ("price = 900", "price = -1", r"categories.0.items.0.price: input should be greater than 0"),
        (", price = 900", "", r"categories.0.items.0.price: this key is required"),
    ],
)
def test_a_mistake_in_the_catalogue_is_one_line(own: Own, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_suites(own(catalogue=(old, new)))
    assert "catalogue.toml: " in str(caught.value)


def test_an_empty_catalogue_is_an_error(own: Own) -> None:
    config = own()
    (config.run.suites[0] / "catalogue.toml").write_text('locale = "en"\nprice_format = "{price}"\n')
    with pytest.raises(ConfigError, match=r"the catalogue is empty"):
        load_suites(config)


def test_an_unknown_task_names_the_known_ones(own: Own) -> None:
    with pytest.raises(ConfigError, match=r"run.tasks: unknown task 'refunds'; known are discount, .*service_reply"):
        load_suites(own(tasks=["refunds"]))


def test_a_locale_without_suites_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"run.locale: there is no suite for 'xx'; shipped are .*en"):
        load_suites(parse(Config, {"run": {"locale": "xx"}}, "test"))


def test_a_folder_without_suites_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"run.suites: .* has no .toml file"):
        load_suites(parse(Config, {"run": {"suites": [tmp_path]}}, "test"))


def test_an_absent_suite_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone.toml: there is no such file"):
        load_suites(parse(Config, {"run": {"suites": [tmp_path / "gone.toml"]}}, "test"))


def test_a_suite_that_is_not_utf8_is_an_error(own: Own) -> None:
    config = own()
    (config.run.suites[0] / "parking.toml").write_bytes(b'task = "caf\xe9"')
    with pytest.raises(ConfigError, match=r"parking.toml: byte 11 is not UTF-8"):
        load_suites(config)
