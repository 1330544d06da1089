"""Every governed row against its newest image in the trail: what changed a table and bypassed the app."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import connection, models
from django.db.utils import Error

from trail import images
from trail.canonical import canonical_result
from trail.fsck import reading
from trail.fsck.findings import Report
from trail.fsck.reading import Row

AT_ONCE = 200


def examine(report: Report) -> None:
    there = set(connection.introspection.table_names())
    for label, model in sorted(images.governed_models().items()):
        if model._meta.db_table not in there:
            report.say(model._meta.db_table, "", "", "the table is gone, or `manage.py migrate` was not run.")
            continue
        _examine_table(label, model, report)
        if never := sorted(getattr(model, "never_recorded", ())):
            report.skip(f"{model._meta.db_table}: {', '.join(never)} never stands in the trail.")
    report.skip("Tables that are not governed (jobs, sessions, failed sign-ins) leave no images.")


def _examine_table(label: str, model: type[models.Model], report: Report) -> None:
    """Both sides come in the order of the row's id as text, and are walked side by side."""
    table, shown = model._meta.db_table, _newest(label)
    image: Row | None = next(shown, None)
    for row_id, row in _rows(model, report):
        report.count("governed rows")
        while image is not None and image["row_id"] < row_id:
            report.say(table, image["row_id"], "", "the row is gone, and no entry says so.")
            image = next(shown, None)
        if image is None or image["row_id"] != row_id:
            report.say(table, row_id, "", "no entry shows this row: it was put in past the app.")
            continue
        if row is not None:
            _compare(table, row_id, row, image, report)
        image = next(shown, None)
    while image is not None:
        report.say(table, image["row_id"], "", "the row is gone, and no entry says so.")
        image = next(shown, None)


def _newest(label: str) -> Iterator[Row]:
    """The last image of each row, by the place of its entry in the tree; one that waits for a place comes last."""
    binary = ' COLLATE "C"' if connection.vendor == "postgresql" else ""
    sql = (
        f"SELECT {reading.columns('trail_image', 'n')} FROM (SELECT i.*, row_number() OVER "  # noqa: S608 - our names
        '(PARTITION BY i.row_id ORDER BY l."index" DESC NULLS FIRST, i.id DESC) AS place FROM trail_image i '
        "LEFT JOIN trail_leaf l ON l.entry_id = i.entry_id WHERE i.row_type = %s) n "
        f"WHERE n.place = 1 ORDER BY n.row_id{binary}"
    )
    for selected in reading.stream(sql, [label]):
        row = reading.taken("trail_image", selected)
        if row["row_id"] is not None:  # named already
            yield row


def _rows(model: type[models.Model], report: Report) -> Iterator[tuple[str, models.Model | None]]:
    """The rows by their id as text; None for one that can't be read."""
    key: Any = model._meta.pk
    text = f'"{key.column}"::text COLLATE "C"' if connection.vendor == "postgresql" else f'CAST("{key.column}" AS TEXT)'
    found = reading.stream(f'SELECT {text} AS shown FROM "{model._meta.db_table}" ORDER BY 1')  # noqa: S608 - our names
    known: list[str] = []
    for (shown,) in found:
        known.append(shown)
        if len(known) == AT_ONCE:
            yield from _read(model, key, known, report)
            known = []
    yield from _read(model, key, known, report)


def _read(
    model: type[models.Model], key: Any, shown: list[str], report: Report
) -> Iterator[tuple[str, models.Model | None]]:
    ids = {}
    for each in shown:
        try:
            ids[each] = key.to_python(each)
        except Exception:  # noqa: BLE001 - Django's own types of error differ by field
            report.say(model._meta.db_table, each, key.column, "holds no id.")
    manager: Any = model._base_manager
    try:
        rows = manager.in_bulk(list(ids.values()))
    except (ValueError, TypeError, ArithmeticError, Error):
        rows = {}
    for row_id in ids.values():
        row = rows.get(row_id)
        if row is None:
            row = _alone(model, row_id, report)
        yield str(row_id), row


def _alone(model: type[models.Model], row_id: Any, report: Report) -> models.Model | None:
    manager: Any = model._base_manager
    try:
        found: models.Model = manager.get(pk=row_id)
    except (ValueError, TypeError, ArithmeticError, Error, ObjectDoesNotExist) as error:
        report.say(model._meta.db_table, row_id, "", f"the row can’t be read: {str(error).rstrip('.')}.")
        return None
    return found


def _compare(table: str, row_id: str, row: models.Model, image: Row, report: Report) -> None:
    if image["disclosed"] is None:
        report.skip("Rows whose newest image was erased were not compared.")
        return
    try:
        shown = json.loads(image["disclosed"])[2]
        now = json.loads(canonical_result(images.values(row)))
    except (ValueError, TypeError, LookupError) as error:
        report.say(table, row_id, "", f"can’t be compared with its newest image: {str(error).rstrip('.')}.")
        return
    for column in sorted(set(shown) & set(now)):
        if shown[column] != now[column] or type(shown[column]) is not type(now[column]):
            sentence = f"does not equal the newest image of this row, of the entry {image['entry_id']}."
            report.say(table, row_id, column, sentence)
