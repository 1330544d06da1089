"""A threshold against a result. The notation of a measure's path is described in policies/schema.json."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

SEGMENT = re.compile(r"([a-z][a-z0-9_]*)(?:\[([^\[\]]+)\])?(?:\.|$)")


class Unreadable(ValueError):
    """The path finds nothing to compare in the result."""


def judge(threshold: Mapping[str, Any], result: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether every value the measure's path finds satisfies the threshold, and the sentence that says so."""
    path = threshold["measure"]
    values = read(result, path)
    found = f"{spoken(path)} is {_spelt(values)}"
    if "equals" in threshold:
        met = all(value is threshold["equals"] for value in values)
        return met, f"{found}; it must be {str(threshold['equals']).lower()}."
    if any(isinstance(value, bool) for value in values):
        raise Unreadable(f"{path} is yes or no, which has no minimum or maximum.")
    if "min" in threshold:
        met = all(value >= threshold["min"] for value in values)
        return met, f"{found}; at least {threshold['min']:g} is required."
    met = all(value <= threshold["max"] for value in values)
    return met, f"{found}; at most {threshold['max']:g} is allowed."


ABBREVIATIONS = {"auc": "AUC", "ks": "KS", "ece": "ECE", "gini": "Gini"}


def spoken(path: str) -> str:
    """A measure's path in words: `auc.value` is “AUC”, and the disparity of a rate is “selection rate ratio, sex”."""
    said = []
    for name, filters in parse(path):
        if name == "disparities" and {"metric", "kind"} <= filters.keys():
            attributes = f", {filters['attributes']}" if "attributes" in filters else ""
            said.append(f"{filters['metric']} {filters['kind']}{attributes}")
        elif name != "value" or filters:
            said.append(" ".join([name, *(f"{key} {value}" for key, value in filters.items())]))
    words = " ".join(said).replace("_", " ").split(" ")
    sentence = " ".join(ABBREVIATIONS.get(word, word) for word in words)
    return sentence[:1].upper() + sentence[1:]


def read(result: Mapping[str, Any], path: str) -> list[float | bool]:
    """Every value at `path`: at least one, and each a number or a truth value."""
    nodes: list[Any] = [result]
    for name, filters in parse(path):
        nodes = [_child(node, name, path) for node in nodes]
        if filters:
            nodes = [item for node in nodes for item in _chosen(node, filters, path)]
    if not nodes:
        raise Unreadable(f"Nothing in the result matches {path}.")
    for node in nodes:
        if node is None:
            raise Unreadable(f"{path} has no value in the result.")
        if not isinstance(node, (bool, int, float)):
            raise Unreadable(f"{path} is not a number in the result.")
    return nodes


def parse(path: str) -> list[tuple[str, dict[str, str]]]:
    segments, at = [], 0
    while at < len(path):
        if not (match := SEGMENT.match(path, at)):
            raise Unreadable(f"{path} is no path to a measure.")
        pairs = [pair.partition("=") for pair in (match[2] or "").split(",") if pair]
        segments.append((match[1], {key.strip(): value.strip() for key, _, value in pairs}))
        at = match.end()
    return segments


def _child(node: Any, name: str, path: str) -> Any:
    if name == "count" and isinstance(node, list):
        return len(node)
    if not isinstance(node, Mapping) or name not in node:
        raise Unreadable(f"The result has no {name} at {path}.")
    return node[name]


def _chosen(node: Any, filters: Mapping[str, str], path: str) -> list[Any]:
    if not isinstance(node, list):
        raise Unreadable(f"{path} narrows something that is not a list.")
    return [
        item for item in node if isinstance(item, Mapping) and all(_fits(item.get(k), v) for k, v in filters.items())
    ]


def _fits(found: Any, wanted: str) -> bool:
    if isinstance(found, list):
        return sorted(map(str, found)) == sorted(wanted.split("+"))
    if isinstance(found, bool):
        return str(found).lower() == wanted
    return found is not None and str(found) == wanted


def _spelt(values: list[float | bool]) -> str:
    return " and ".join(str(value).lower() if isinstance(value, bool) else f"{value:.6g}" for value in values)
