"""Measured numbers as people read them."""

from __future__ import annotations

from typing import Any

from django import template

from audits import checks

register = template.Library()

NOT_DEFINED = "not defined"
MINUS = "−"
NBSP = "\u00a0"
# below the first a number is nothing but rounding; below the second three decimals would hide it
ROUNDING, SMALL = 1e-12, 0.001


@register.filter
def figure(value: Any) -> str:
    """Three decimals, or two digits of what is smaller; a value that could not be measured says so."""
    if value is None or value == "":
        return NOT_DEFINED
    number = float(value)
    if abs(number) < ROUNDING:
        return "0.000"
    text = f"{number:,.3f}" if abs(number) >= SMALL else f"{number:.2g}"
    return text.replace("-", MINUS)


@register.filter
def share(part: Any) -> str:
    """A part of a whole: 21.5 %."""
    return NOT_DEFINED if part is None else f"{100 * float(part):.1f}{NBSP}%"


@register.filter
def words(name: str) -> str:
    """A name of a metric as words: true_positive_rate → true positive rate."""
    return str(name).replace("_", " ")


@register.filter
def signed(value: Any) -> str:
    """A contribution with its sign: +0.310."""
    text = figure(value)
    return text if value is None or text.startswith(MINUS) or text == "0.000" else f"+{text}"


@register.filter
def stated(value: Any) -> str:
    """A parameter as it was stated."""
    match value:
        case None | [] | {}:
            return "none"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(stated(item) for item in value)
        case dict():
            return "; ".join(f"{name}: {stated(item)}" for name, item in value.items())
    return str(value)


@register.filter
def check_title(name: str) -> str:
    """What a check is called; one that is no longer there by its name."""
    known = checks.ALL.get(name)
    return known.TITLE if known else words(name)
