"""From a matplotlib figure to an inline SVG that obeys the page: its colours, fonts and content policy.

Colours are drawn as sentinels and become CSS variables, so that one figure serves light
and dark. Inline styles become attributes: the page's policy allows no style attribute.
Identifiers get a prefix, since many figures share one page.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG: Final = "http://www.w3.org/2000/svg"
_XLINK: Final = "http://www.w3.org/1999/xlink"
_ROLES: Final = (
    "ink",
    "muted",
    "grid",
    "band",
    "band-edge",
    "paper",
    "pass",
    "fail",
    "inconclusive",
    "void",
    "accent",
    "hatch",
    "heat-n4",
    "heat-n3",
    "heat-n2",
    "heat-n1",
    "heat-0",
    "heat-p1",
    "heat-p2",
    "heat-p3",
    "heat-p4",
)
# A sentinel is a colour that no one would draw; it stands for a role in the page's palette.
COLOURS: Final[Mapping[str, str]] = {role: f"#fe{i:02x}fd" for i, role in enumerate(_ROLES, 1)}
_VARIABLES: Final = {sentinel: f"var(--{role})" for role, sentinel in COLOURS.items()}
_REFERENCE: Final = re.compile(r"url\(#([^)]+)\)")
_FONT: Final = re.compile(r"(?:(?P<weight>\d{3}|bold) )?(?P<size>[\d.]+px) ")

SETTINGS: Final[Mapping[str, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "evenhand",
    "font.family": ["DejaVu Sans"],
    "font.size": 10.0,
    "text.color": COLOURS["ink"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.edgecolor": COLOURS["grid"],
    "xtick.color": COLOURS["grid"],
    "xtick.labelcolor": COLOURS["muted"],
    "ytick.color": COLOURS["grid"],
    "ytick.labelcolor": COLOURS["ink"],
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "hatch.linewidth": 0.7,
    "text.parse_math": False,
}


def render(draw: Callable[[], Figure], prefix: str, title: str, description: str) -> str:
    """Draw a figure and return it as one SVG element; ``prefix`` must be unique in the page."""
    import matplotlib

    buffer = io.BytesIO()
    settings: Any = dict(SETTINGS)
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # Names in any script: the reader's browser has the glyphs that the drawing font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        draw().savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ET.fromstring(buffer.getvalue())
    _clean(root)
    for element in root.iter():
        _style_to_attributes(element)
        _prefix(element, prefix)
    box = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib.update({"viewBox": box, "class": "plot", "role": "img", "aria-labelledby": f"{prefix}-t {prefix}-d"})
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        child = ET.Element(f"{{{_SVG}}}{tag}", {"id": f"{prefix}-{tag[0]}"})
        child.text = text
        root.insert(position, child)
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    return ET.tostring(root, encoding="unicode")


def _clean(root: ET.Element) -> None:
    """Drop metadata and the style sheet, which would reach beyond the figure."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"}:
                parent.remove(child)


def _style_to_attributes(element: ET.Element) -> None:
    for declaration in element.attrib.pop("style", "").split(";"):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key == "font":
            found = _FONT.match(value)
            if found:
                element.set("font-size", found["size"])
                if found["weight"]:
                    element.set("font-weight", found["weight"])
        elif key and key != "font-family":
            element.set(key, value)
    for key in ("fill", "stroke"):
        if element.get(key) in _VARIABLES:
            element.set(key, _VARIABLES[element.attrib[key]])


def _prefix(element: ET.Element, prefix: str) -> None:
    for key, value in list(element.attrib.items()):
        if key == "id":
            element.set(key, f"{prefix}-{value}")
        elif key in {"href", f"{{{_XLINK}}}href"} and value.startswith("#"):
            element.set(key, f"#{prefix}-{value[1:]}")
        elif "url(#" in value:
            element.set(key, _REFERENCE.sub(rf"url(#{prefix}-\1)", value))
