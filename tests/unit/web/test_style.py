"""What the page looks like to eyes that need contrast, and what it is made of."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from pipeline import web

STATIC = Path(web.__file__).parent / "static"
CSS = (STATIC / "page.css").read_text(encoding="utf-8")
COLOURS = re.compile(r"--([\w-]+):\s*#([0-9a-f]{6});")

TEXTS = ("ink", "soft", "accent", "good", "warn", "bad", "grey", "flag")
GROUNDS = ("paper", "ground")
TINTS = {"good": "tint-good", "warn": "tint-warn", "bad": "tint-bad", "accent": "tint-open"}


def palettes() -> dict[str, dict[str, str]]:
    """Colours by name, of the light and the dark page."""
    light, _, rest = CSS.partition("@media (prefers-color-scheme: dark)")
    return {"light": dict(COLOURS.findall(light)), "dark": dict(COLOURS.findall(rest))}


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast of two colours as WCAG 2 defines it, 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_can_be_read_in_both_themes(theme: str) -> None:
    """Every colour of a text has 4.5 against every ground that it stands on (WCAG 2 AA)."""
    colours = palettes()[theme]
    pairs = [(text, ground) for text in TEXTS for ground in GROUNDS]
    pairs += [pair for text, tint in TINTS.items() for pair in ((text, tint), ("ink", tint), ("soft", tint))]
    pairs += [("paper", "accent")]

    assert {
        pair: round(found, 2) for pair in pairs if (found := contrast(*(colours[name] for name in pair))) < 4.5
    } == {}


def test_both_themes_have_every_colour_and_no_rule_has_its_own() -> None:
    """A colour that is written elsewhere would be wrong in one of them."""
    light, dark = palettes().values()

    assert light.keys() == dark.keys()
    assert len(re.findall(r"#[0-9a-fA-F]{3,8}\b", CSS)) == len(light) + len(dark)
    assert set(re.findall(r"var\(--([\w-]+)\)", CSS)) <= light.keys()


def test_what_moves_stands_still_for_who_asked_for_it() -> None:
    """Animations are only where motion is welcome."""
    before, _, _ = CSS.partition("@media (prefers-reduced-motion: no-preference)")

    assert "animation" not in before
    assert "transition" not in before


def test_scripts_of_others_are_those_that_were_looked_at() -> None:
    """Vendored files have the checksums that were noted with their version and licence, and nothing else lies there."""
    vendor = STATIC / "vendor"
    noted = json.loads((vendor / "vendor.json").read_text(encoding="utf-8"))
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in vendor.iterdir()}

    assert found.pop("vendor.json")
    assert found == noted["sha256"]
    assert f'version="{noted["version"]}"' in (vendor / "htmx.min.js").read_text(encoding="utf-8")
