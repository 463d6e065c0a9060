"""What the HTML pages share: their files beside this module, escaping, the policy, lists of settings."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

from sspvs.report.tables import plain


def part(name: str) -> str:
    """Text of a file that lies beside this module."""
    return resources.files("sspvs.report").joinpath(name).read_text(encoding="utf-8").strip()


def style_of(*names: str) -> str:
    """The page's style: the base that all pages share, then its own."""
    return "\n".join(part(name) for name in ("base.css", *names))


def script_of(*names: str) -> str:
    """The page's script: what all pages share, then its own, in one scope with the page's `data`."""
    return (
        '(() => {\n"use strict";\nconst data = JSON.parse(document.getElementById("data").textContent);\n'
        + "\n".join(part(name) for name in ("dom.js", *names))
        + "\n})();"
    )


def policy(script: str, style: str, *further: str) -> str:
    """Content security policy: this script, this style, embedded pictures, and nothing from another place.

    Args:
        script: The page's only script.
        style: The page's only style.
        further: More directives.
    """

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"

    rules = (
        "default-src 'none'",
        f"script-src {digest(script)}",
        f"style-src {digest(style)}",
        "img-src data:",
        *further,
        "base-uri 'none'",
        "form-action 'none'",
    )
    return "; ".join(rules)


def escape(value: object) -> str:
    """Text that can stand in an element or in a quoted attribute."""
    return html.escape(str(value), quote=True)


def definition_rows(values: Mapping[str, Any]) -> str:
    """A description list's rows."""
    return "\n".join(f"<div><dt>{escape(name)}</dt><dd>{escape(readable(v))}</dd></div>" for name, v in values.items())


def readable(value: Any) -> str:
    """A setting as a person would write it."""
    value = plain(value)
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def notice(warnings: Iterable[str]) -> str:
    """What the user should know, at the top of the page; nothing when there is nothing."""
    items = "\n".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    if not items:
        return ""
    return f'<section class="notice" aria-label="Warnings"><h2>Worth knowing</h2><ul>{items}</ul></section>'
