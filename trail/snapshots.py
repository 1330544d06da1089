"""A state of the governed tables as one SQLite file, made of the images that the entries kept.

Each recording keeps an image of every row it wrote (`trail.images`); the newest image of each row by a moment is the
row as it was then. What images hold only as a digest (a run's result, a signed statement) is not copied: it is read
from the live row when it is asked for, and only while the digest fits. Files are built when they are first looked at,
and a few are kept under PAST_ROOT.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections, models
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.models import F, Window
from django.db.models.functions import RowNumber

from trail import images, ledger, moments
from trail.events import Event
from trail.models import ERASED, Entry, Image
from trail.moments import Look

Field: TypeAlias = "models.Field[Any, Any]"
Stored = tuple[type[models.Model], list[Any]]
Fill = Callable[[], Iterable[models.Model]]

# an entry is committed soon after its time; one that comes later than the newest, within this, makes another state
LATE = timedelta(hours=1)
BATCH = 1000
NOTHING = sha256(b"").hexdigest()
AS_THEY_ARE = (models.CharField, models.TextField, models.IntegerField, models.BooleanField)

_FILLS: dict[type[models.Model], list[Fill]] = defaultdict(list)


def fills(model: type[models.Model]) -> Callable[[Fill], Fill]:
    """Declare how rows of a table that has no images follow from governed rows and entries.

    The function reads as of the moment, as any other does, and returns unsaved rows.
    """

    def declare(fill: Fill) -> Fill:
        _FILLS[model].append(fill)
        return fill

    return declare


@cache
def tables() -> dict[str, type[models.Model]]:
    return images.governed_models() | {model._meta.label_lower: model for model in _FILLS}


def opened(look: Look) -> DatabaseWrapper:
    """A connection to the state at the look's moment; the first look at a state builds it."""
    path = _root() / _name(look.at)
    with suppress(OperationalError):
        return _connected(look, path)
    with _locked():
        if not path.exists():
            _build(path, look.at)
        found = _connected(look, path)
        _tidy(path)
    return found


def forget() -> None:
    """Delete every file of this machine; each is built again when it is asked for."""
    if _root().exists():
        with _locked():
            for path in _root().glob("*.sqlite3"):
                path.unlink(missing_ok=True)


def _connected(look: Look, path: Path) -> DatabaseWrapper:
    found = _database(look.alias, path)
    found.ensure_connection()
    with suppress(FileNotFoundError):  # another process tidied it away; what is open stays readable
        now = time.time_ns()  # the file system's own clock is too coarse to tell two looks apart
        os.utime(path, ns=(now, now))
    return found


class _Database(DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        made = super().get_new_connection(conn_params)
        made.create_function("kept_bytes", 4, _kept_bytes)
        return made


def _database(alias: str, path: Path) -> DatabaseWrapper:
    """Not among Django's own connections: it is this thread's, and closed by whoever opened it."""
    own: dict[str, Any] = {"NAME": f"{path.as_uri()}?mode=ro&immutable=1", "OPTIONS": {}, "TIME_ZONE": None}
    return _Database({**connections.settings[DEFAULT_DB_ALIAS], **own}, alias)


def _root() -> Path:
    return Path(settings.PAST_ROOT)


@contextmanager
def _locked() -> Iterator[None]:
    """One builder at a time on this machine."""
    _root().mkdir(parents=True, exist_ok=True, mode=0o700)
    with (_root() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _name(at: datetime) -> str:
    """One name for each state. Whatever is erased changes every state, and so does another shape of the tables."""
    last = Entry.every.filter(at__lte=at).order_by("-at", "-pk").values_list("pk", "at").first()
    if last is None:
        return f"{_era()}-nothing.sqlite3"
    late = Entry.every.filter(at__lte=at, at__gt=last[1] - LATE).count()
    return f"{_era()}-{last[0].hex}-{late}.sqlite3"


def _era() -> str:
    return f"{_shape()}-{Entry.every.filter(type=Event.ERASED.value).count()}"


def _tidy(newest: Path) -> None:
    """Keep what was looked at last, and nothing from before something was erased."""
    era = f"{_era()}-"
    found = sorted(_root().glob("*.sqlite3"), key=_looked_at, reverse=True)
    kept = [path for path in found if path.name.startswith(era) and path != newest][: settings.PAST_KEPT - 1]
    for path in {*found} - {newest, *kept}:
        path.unlink(missing_ok=True)


def _looked_at(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_mtime_ns
    return 0


def _build(path: Path, at: datetime) -> None:
    """The whole file or none: it gets its name when everything is in it, and on the disk."""
    for left in _root().glob("*.new"):  # by a builder that was killed
        left.unlink()
    fresh = path.with_suffix(".new")
    os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(fresh)) as file:
        file.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + ";".join(_schema()))
        _insert(file, _imaged(at))
        file.commit()
        _insert(file, _derived(fresh, at))
        file.commit()
        file.executescript(";".join(_indexes()))
    with fresh.open("rb") as written:
        os.fsync(written.fileno())
    fresh.replace(path)


def _imaged(at: datetime) -> Iterator[Stored]:
    """Every governed row as the last entry by the moment left it, in the order of the tree."""
    ledger.catch_up()
    last = Window(RowNumber(), partition_by=["row_type", "row_id"], order_by=F("entry__leaf__index").desc())
    until = Image.objects.filter(entry__at__lte=at, entry__leaf__isnull=False).annotate(last=last)
    found = Image.objects.filter(pk__in=until.filter(last=1).values("pk"))
    rows = found.values_list("entry__leaf__index", "row_type", "row_id", "disclosed")
    for index, row_type, row_id, disclosed in rows.iterator(chunk_size=BATCH):
        if model := tables().get(row_type):
            said = disclosed or _as_erased(row_type, row_id, index)
            values = json.loads(bytes(said))[2] if said else None
            yield model, [_stored(column, values, row_id) for column in model._meta.concrete_fields]


def _as_erased(row_type: str, row_id: str, index: int) -> bytes | None:
    """Of a row whose images were erased: the first image after it that was not, which the erasure left."""
    later = Image.objects.filter(row_id=row_id, row_type=row_type, entry__leaf__index__gt=index)
    found = later.exclude(disclosed=None).order_by("entry__leaf__index").values_list("disclosed", flat=True).first()
    return None if found is None else bytes(found)


def _stored(column: Field, values: dict[str, Any] | None, row_id: str) -> Any:
    """A column's value as SQLite takes it."""
    if column.primary_key:
        value: Any = row_id
    elif values is None:
        value = ERASED if isinstance(column, (models.CharField, models.TextField)) else None
    else:
        value = values.get(column.attname, _unsaid(column))
    if value is None or (type(value) in {str, int, bool} and isinstance(column, AS_THEY_ARE)):
        return value
    if isinstance(column, models.BinaryField):
        return value["sha256"]
    return column.get_db_prep_save(column.to_python(value), connection=_dialect())


def _unsaid(column: Field) -> Any:
    """What stands for a field that an image does not hold: a secret, or a field that came with a later release."""
    if column.has_default() and not callable(column.default):
        return column.default
    return "" if isinstance(column, (models.CharField, models.TextField)) else None


def _derived(fresh: Path, at: datetime) -> Iterator[Stored]:
    look = Look(at)
    found = connections[look.alias] = _database(look.alias, fresh)
    try:
        with moments.looking(look):
            rows = [row for filling in _FILLS.values() for fill in filling for row in fill()]
    finally:
        found.close()
        del connections[look.alias]
    for row in rows:
        columns = type(row)._meta.concrete_fields
        yield (
            type(row),
            [each.get_db_prep_save(getattr(row, each.attname), connection=_dialect()) for each in columns],
        )


def _insert(file: sqlite3.Connection, rows: Iterable[Stored]) -> None:
    waiting: dict[type[models.Model], list[list[Any]]] = defaultdict(list)
    for model, values in rows:
        waiting[model].append(values)
        if len(waiting[model]) == BATCH:
            _insert_into(file, model, waiting.pop(model))
    for model, many in waiting.items():
        _insert_into(file, model, many)


def _insert_into(file: sqlite3.Connection, model: type[models.Model], rows: list[list[Any]]) -> None:
    marks = ", ".join("?" * len(model._meta.concrete_fields))
    file.executemany(f'INSERT INTO "{_table(model)}" VALUES ({marks})', rows)  # noqa: S608 - our names


@cache
def _dialect() -> DatabaseWrapper:
    """SQLite's spelling of types and values; never connected."""
    return _database("past", Path("/dev/null"))


@cache
def _shape() -> str:
    return sha256(";".join(_schema()).encode()).hexdigest()[:12]


def _schema() -> Iterator[str]:
    """Tables without constraints: the rows met them when they were written. Over one that holds digests lies a view."""
    for model in tables().values():
        columns = model._meta.concrete_fields
        spelled = [f'"{each.column}" {each.db_type(_dialect())}' for each in columns]
        yield f'CREATE TABLE "{_table(model)}" ({", ".join(spelled)})'
        if _table(model) != model._meta.db_table:
            shown = ", ".join(_shown(model, each) for each in columns)
            yield f'CREATE VIEW "{model._meta.db_table}" AS SELECT {shown} FROM "{_table(model)}"'  # noqa: S608


def _indexes() -> Iterator[str]:
    for model in tables().values():
        for each in model._meta.concrete_fields:
            if each.primary_key or each.unique or getattr(each, "db_index", False):
                yield f'CREATE INDEX "{_table(model)}_{each.column}" ON "{_table(model)}" ("{each.column}")'


def _table(model: type[models.Model]) -> str:
    has_digests = any(isinstance(each, models.BinaryField) for each in model._meta.concrete_fields)
    return f"{model._meta.db_table}__rows" if has_digests else model._meta.db_table


def _shown(model: type[models.Model], column: Field) -> str:
    if not isinstance(column, models.BinaryField):
        return f'"{column.column}"'
    key = f"'{model._meta.label_lower}', \"{model._meta.pk.column}\", '{column.name}', \"{column.column}\""
    return f'kept_bytes({key}) AS "{column.column}"'


def _kept_bytes(row_type: str, row_id: str, name: str, digest: str | None) -> bytes | None:
    """The live row's bytes, if they are those that the image has the digest of; else none, and the look says so."""
    if digest is None or digest == NOTHING:
        return None if digest is None else b""
    model = tables()[row_type]
    rows = model._base_manager.using(DEFAULT_DB_ALIAS).filter(pk=row_id)
    content = bytes(rows.values_list(name, flat=True).first() or b"")
    if sha256(content).hexdigest() == digest:
        return content
    if look := moments.current.get():
        look.lost.add(f"{row_type} {model._meta.pk.to_python(row_id)} {name}")
    return b""
