"""Who acted, and on what: by value, so that the ledger needs no other room to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Actor:
    id: str
    name: str
    kind: str = "person"

    @property
    def actor(self) -> Actor:
        return self


@dataclass(frozen=True)
class Subject:
    """The thing an entry is about: a type such as `registry.version`, its id and a label a person reads."""

    type: str
    id: str
    label: str
    unit: str = ""

    @property
    def subject(self) -> Subject:
        return self


class Acts(Protocol):
    @property
    def actor(self) -> Actor: ...


class HasSubject(Protocol):
    @property
    def subject(self) -> Subject: ...


class Reads(Protocol):
    @property
    def unit_paths(self) -> list[str]: ...


# Acts for nobody in particular: set-up, the worker's own housekeeping.
SYSTEM = Actor(id="system", name="Countersign", kind="system")
