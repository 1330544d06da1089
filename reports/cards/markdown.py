"""A card as Markdown with Hugging Face's metadata above it. What people wrote stays text, whatever they wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import yaml
from django.utils.text import slugify

from reports.cards.shape import Card, Evaluation, Item, Section, Table, printed

# the library that opens each format, by the name the Hugging Face Hub gives it
LIBRARIES = {
    "skops": "sklearn",
    "xgboost-json": "xgboost",
    "xgboost-ubj": "xgboost",
    "lightgbm-text": "lightgbm",
    "onnx": "onnx",
}
TASK = {"type": "tabular-classification", "name": "Tabular Classification"}

LONGEST_LINE = 160
ANYWHERE = re.compile(r"([\\`*_{}\[\]|~$^])")
LINE_START = re.compile(r"^(\s*)([-+=#:!]|\d{1,9}(?=[.)](\s|$)))")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def as_markdown(card: Card) -> str:
    metadata = yaml.safe_dump(_metadata(card), sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{metadata}---\n\n" + "\n\n".join(_parts(card)) + "\n"


def _metadata(card: Card) -> dict[str, Any]:
    """Only what is known: a key without a value is left out."""
    measured = [kind for evaluation in card.evaluations for kind, _, _ in evaluation.measures]
    found = {
        "license": slugify(card.licence),
        "library_name": LIBRARIES.get(card.artifact_format),
        "tags": ["model-card", *([TASK["type"]] if card.evaluations else [])],
        "datasets": [slugify(name) for name in card.training_datasets],
        "metrics": sorted(set(measured)),
        "model-index": [{"name": card.title, "results": [_result(each) for each in card.evaluations]}]
        if card.evaluations
        else [],
    }
    return {key: value for key, value in found.items() if value}


def _result(evaluation: Evaluation) -> dict[str, Any]:
    source = {"run": evaluation.run_id, "result_digest": evaluation.result_digest}
    return {
        "task": dict(TASK),
        "dataset": {
            "type": slugify(evaluation.dataset) or "dataset",
            "name": evaluation.dataset,
            "revision": evaluation.dataset_digest,
        },
        "metrics": [
            {"type": kind, "value": value, "name": title, "args": dict(source)}
            for kind, title, value in evaluation.measures
        ],
    }


def _parts(card: Card) -> Iterator[str]:
    done = card.completeness
    yield f"# {escaped(card.title)}"
    yield f"Model card, {done.percent}% complete ({done.filled} of {done.of} items stated), as of {_as_of(card)}."
    for section in card.sections:
        yield from _section(section)
    if done.missing:
        yield "## What is missing"
        yield "\n".join(
            f"- {escaped(each.section)}: {escaped(each.item)}. {escaped(each.mend)}" for each in done.missing
        )


def _as_of(card: Card) -> str:
    entry = "" if card.trail_entry is None else f" (entry {card.trail_entry} of the trail)"
    return f"{card.as_of:%-d %B %Y, %H:%M:%S} UTC{entry}"


def _section(section: Section) -> Iterator[str]:
    """Short items as a list, each long one under a heading of its own."""
    yield f"## {section.title}"
    for is_short, items in groupby(section.items, key=_is_short):
        if is_short:
            yield "\n".join(_line(item) for item in items)
        else:
            yield from (part for item in items for part in _under_heading(item))


def _is_short(item: Item) -> bool:
    value = item.value
    return not item.is_stated or (isinstance(value, str) and len(value) <= LONGEST_LINE and "\n" not in value)


def _line(item: Item) -> str:
    value = f"{escaped(str(item.value))} *({escaped(item.source)})*" if item.is_stated else "*Not stated*"
    return f"- **{escaped(item.label)}**: {value}"


def _under_heading(item: Item) -> Iterator[str]:
    yield f"### {escaped(item.label)}"
    if isinstance(item.value, Table):
        yield _table(item.value)
    elif isinstance(item.value, list):
        yield "\n".join(f"- {escaped(one)}" for one in item.value)
    else:
        yield paragraphs(str(item.value))
    yield f"*({escaped(item.source)})*"


def _table(table: Table) -> str:
    rule = " | ".join("---:" if head.is_number else "---" for head in table.heads)
    lines = [f"| {' | '.join(escaped(name) for name in table.columns)} |", f"| {rule} |"]
    lines += [f"| {' | '.join(escaped(printed(cell)) for cell in row)} |" for row in table.rows]
    return "\n".join(lines) + (f"\n\n{escaped(table.note)}" if table.note else "")


def paragraphs(text: str) -> str:
    """A text of several lines: blank lines still part paragraphs, and nothing else has a meaning."""
    lines = [escaped(line) for line in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def escaped(text: str) -> str:
    """One line of text in which no character means anything to Markdown or HTML."""
    line = CONTROLS.sub("", " ".join(str(text).split()))
    line = ANYWHERE.sub(r"\\\1", line)
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = line.replace("://", ":\\/\\/").replace("www.", "www\\.")
    return LINE_START.sub(_disarmed, line)


def _disarmed(found: re.Match[str]) -> str:
    """A character that would begin a list, a heading or a rule at the start of a line."""
    space, start = found.group(1, 2)
    return f"{space}{start}\\" if start.isdigit() else f"{space}\\{start}"
