"""Filling the slots of a wording."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from audit.probes.slots import fill

pieces = st.lists(st.sampled_from(["Pay it?", "{customer}", "{item}", "\n", " ", "\n\n"]), max_size=8)


@given(parts=pieces)
def test_an_absent_customer_leaves_no_gap(parts: list[str]) -> None:
    text = fill(" ".join(parts), item="lamp", customer="")
    assert "  " not in text and " \n" not in text and "\n\n\n" not in text
    assert text == text.strip()


def test_braces_in_a_value_are_left_alone() -> None:
    assert fill("{facts} {customer}", facts="a {item} b", customer="{name}") == "a {item} b {name}"


def test_a_line_of_the_customer_alone_goes_with_it() -> None:
    assert fill("Item: x\n{customer}\nPay?", customer="") == "Item: x\nPay?"
    assert fill("Item: x\n{customer}\nPay?", customer="By: Ann A. here") == "Item: x\nBy: Ann A. here\nPay?"
