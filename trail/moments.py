"""The moment as of which things are read: a past one while somebody looks back, otherwise now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, TypeVar

from django.db import models
from django.utils import timezone

Row = TypeVar("Row", bound=models.Model)

_numbers = count(1)


@dataclass(frozen=True)
class Look:
    """A look back: its moment, the name of its database, and what of it could not be shown."""

    at: datetime
    alias: str = field(default_factory=lambda: f"past-{next(_numbers)}")
    lost: set[str] = field(default_factory=set)


current: ContextVar[Look | None] = ContextVar("look", default=None)


def asked() -> datetime | None:
    """The past moment that is looked at; nothing while the present is."""
    look = current.get()
    return look.at if look else None


def now() -> datetime:
    """What counts as now for whoever reads: ages and terms are judged by it. A write takes the clock's time."""
    return asked() or timezone.now()


@contextmanager
def looking(look: Look | None) -> Iterator[None]:
    before = current.set(look)
    try:
        yield
    finally:
        current.reset(before)


def present() -> AbstractContextManager[None]:
    """Inside, everything is read as it is now."""
    return looking(None)


class Until(models.Manager[Row]):
    """The rows that were there by the moment that is looked at, by the time in `field`."""

    def __init__(self, field: str) -> None:
        super().__init__()
        self.field = field

    def get_queryset(self) -> models.QuerySet[Row]:
        found: models.QuerySet[Row] = super().get_queryset()
        until: dict[str, Any] = {f"{self.field}__lte": asked()}
        return found.filter(**until) if asked() else found


def spelled(moment: datetime) -> str:
    seconds = ":%S" if moment.second or moment.microsecond else ""
    return f"{moment:%-d %B %Y, %H:%M{seconds}} UTC"
