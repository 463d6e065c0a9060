"""Figures, intervals, differences and settings as people write them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sspvs.evaluation.results import Comparison

SHORT = {"kendall_tau": "tau", "spearman_rho": "rho", "f_score_avg": "F1 avg", "f_score_max": "F1 max"}


def number(value: float | None, digits: int = 4) -> str:
    """A figure as the field writes it: `.1774`, `-.0123`, `1.0000`; `-` when undefined.

    Args:
        value: None and NaN are undefined.
        digits: After the point.
    """
    if value is None or not math.isfinite(value):
        return "-"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("0.", ".", 1) if abs(float(text)) < 1 else text


def interval(ci95: tuple[float, float] | None) -> str:
    """`[.150, .205]`; empty when there is none."""
    if ci95 is None or not all(math.isfinite(end) for end in ci95):
        return ""
    return f"[{number(ci95[0], 3)}, {number(ci95[1], 3)}]"


def comparison_text(comparison: Comparison) -> str:
    """`tau +.0120 [-.003, .027], p = .12`."""
    difference = number(comparison.difference)
    sign = "" if difference.startswith("-") else "+"
    p = comparison.p_value
    chance = "p not defined" if not math.isfinite(p) else "p < .001" if p < 0.001 else f"p = {_two_digits(p)}"
    ends = interval(comparison.ci95)
    middle = f"{sign}{difference} {ends}".strip()
    return f"{SHORT[comparison.metric]} {middle}, {chance}"


def _two_digits(p: float) -> str:
    return number(p, 2 if p >= 0.1 else 3)


def in_words(value: Any) -> str:
    """A setting as a person would write it, on one line."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {in_words(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(in_words(item) for item in value)
    return str(value)
