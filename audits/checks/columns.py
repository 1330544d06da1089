"""What a check asks of a dataset's columns, answered from what was found in them at upload; no file is read."""

from __future__ import annotations

import re
from typing import Any

from registry import csv_rows, storage
from registry.models import ColumnRole, Dataset
from trail.errors import BadInput

Column = dict[str, Any]

NUMERIC = {"integer", "number"}
FAVOURABLE = {"1", "good", "yes"}
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
WORDS = {"true": "1", "false": "0"}
BINARY = 2
SHOWN = 20


def named(dataset: Dataset, name: str, param: str) -> Column:
    """The column called `name`."""
    if (column := dataset.column(name)) is not None:
        return column
    has = listed([column["name"] for column in dataset.columns])
    raise bad(param, f"{dataset.file_name} has no column “{name}”; it has {has}.")


def complete(dataset: Dataset, name: str, param: str) -> Column:
    """The column called `name`, in which no value is missing."""
    column = named(dataset, name, param)
    if column["missing"]:
        cells = f"{column['missing']} cells are" if column["missing"] > 1 else "1 cell is"
        raise bad(
            param,
            f"{dataset.file_name}, column “{name}”, {place(dataset)} {column['first_missing']}: {cells} empty; fill or "
            "drop these rows and upload the file again.",
        )
    return column


def numeric(dataset: Dataset, name: str, param: str) -> Column:
    """The column called `name`, in which every value is a number."""
    column = complete(dataset, name, param)
    if column["type"] not in NUMERIC:
        text = next(((value, line) for value, (_, line) in values(column).items() if not number(value)), None)
        example = f", such as “{text[0]}” in {place(dataset)} {text[1]}" if text else ""
        raise bad(param, f"{dataset.file_name}, column “{name}” holds {column['type']}, not numbers{example}.")
    return column


def target(dataset: Dataset, given: str | None) -> str:
    """The column with what really happened: complete, and with two outcomes or more."""
    name = given or with_role(dataset, ColumnRole.TARGET, "target")
    if name is None:
        raise bad(
            "target",
            f"{dataset.name} has no column with the role target: name one in “target”, or upload the dataset with that "
            "role. (For selection rates alone, name the prediction column.)",
        )
    column = complete(dataset, name, "target")
    found = values(column)
    if not found:
        raise bad(
            "target",
            f"{dataset.file_name}, column “{name}” holds more than 50 different values; a target has few outcomes.",
        )
    if len(found) < BINARY:
        raise bad(
            "target",
            f"{dataset.file_name}, column “{name}” holds “{next(iter(found))}” in every row; a check needs rows with "
            "another outcome as well.",
        )
    return name


def favourable(dataset: Dataset, target: str, given: Any) -> Any:
    """The target's favourable value: the one given, or 1, true, good or yes."""
    column = named(dataset, target, "target")
    found = list(values(column))
    likely = [value for value in found if spelled(value).lower() in FAVOURABLE]
    if given is None:
        if len(found) != BINARY or len(likely) != 1:
            raise bad("favourable", f"Say which value of “{target}” is favourable: {listed(found)}.")
        given = likely[0]
    elif spelled(given) not in map(spelled, found):
        sentence = f"“{given}” never occurs in {dataset.file_name}, column “{target}”, which holds {listed(found)}."
        raise bad("favourable", sentence)
    # a model fitted on truth values knows true and false, not the words for them
    return spelled(given) == "1" if column["type"] == "boolean" else given


def comparable(dataset: Dataset, prediction: str, target: str) -> None:
    """Refuse a prediction written with other labels than the target."""
    decided, happened = (values(named(dataset, name, "prediction")) for name in (prediction, target))
    if not decided:
        raise bad(
            "prediction",
            f"{dataset.file_name}, column “{prediction}” holds more than 50 different values, so it is no decision; "
            "name it as “score”, with a “threshold”.",
        )
    spellings = {spelled(value) for value in decided}, {spelled(value) for value in happened}
    if spellings[0].isdisjoint(spellings[1]) and len(spellings[0] | spellings[1]) > BINARY:
        raise bad(
            "prediction",
            f"{dataset.file_name}: “{prediction}” holds {listed(decided)} but “{target}” holds {listed(happened)}; "
            "write both with the same values.",
        )


def with_role(dataset: Dataset, role: ColumnRole, param: str) -> str | None:
    """The one column with a role, if there is one."""
    names = dataset.names(role)
    if len(names) > 1:
        raise bad(param, f"{dataset.name} has several columns with the role {role.value}: name one of {listed(names)}.")
    return names[0] if names else None


def values(column: Column) -> dict[str, tuple[int, int]]:
    """Each different value, in the order of the file, with how often and where it first occurs; empty beyond 50."""
    found = column["values"] or {}  # a database may keep an object's keys in another order
    return dict(sorted(found.items(), key=lambda item: item[1][1]))


def spelled(label: Any) -> str:
    """One spelling per label, so that 1, 1.0, True, "1" and "true" are the same one (as audits.measures has it)."""
    if isinstance(label, bool):
        return str(int(label))
    text = str(label).strip()
    if NUMBER.fullmatch(text) and "." in text:
        return str(int(float(text))) if float(text).is_integer() else str(float(text))
    return WORDS.get(text.lower(), text)


def number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def lines(dataset: Dataset, rows: set[int]) -> dict[int, int]:
    """The line of a CSV file on which each of these rows starts; the first row below the header is 1."""
    if not rows or dataset.format != Dataset.Format.CSV:
        return {}
    with storage.open_kept(dataset.path) as file:
        found = csv_rows.rows(file, name=dataset.file_name)
        return {row: line for row, (line, _) in enumerate(found) if row in rows}


def place(dataset: Dataset) -> str:
    """What a position in the file is called."""
    return "line" if dataset.format == Dataset.Format.CSV else "row"


def listed(names: Any) -> str:
    names = [f"“{name}”" for name in names]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def bad(param: str, sentence: str) -> BadInput:
    return BadInput(sentence, where=f"params.{param}")
