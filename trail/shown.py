"""Entries as pages show them: what was erased reads so, what one action did stands together, the thing is a link."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import groupby
from typing import Any

from django.utils.html import conditional_escape, escape
from django.utils.safestring import SafeString, mark_safe

from trail import events, queries, things
from trail.models import Entry

# quiet, and nothing that a value could say itself
ERASED: SafeString = mark_safe('<span class="not-stated">erased</span>')
EXCERPT = 8


@dataclass(frozen=True)
class Shown:
    entry: Entry
    href: str = ""  # the page of what it is about

    @property
    def index(self) -> int:
        return self.entry.leaf.index

    @property
    def at(self) -> datetime:
        return self.entry.at

    @property
    def is_refused(self) -> bool:
        return self.entry.was_refused

    @cached_property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(bytes(self.entry.body))
        return body

    @cached_property
    def known(self) -> dict[str, Any]:
        return self.entry.payload.values if hasattr(self.entry, "payload") else {}

    @cached_property
    def erased(self) -> list[str]:
        """The names of the values that are sealed and no longer disclosed."""
        return sorted(set(self.body["sealed"]) - set(self.known))

    def said(self, name: str) -> Any:
        return self.known.get(name, ERASED)

    @property
    def actor(self) -> Any:
        return self.said("actor.name")

    @property
    def subject(self) -> Any:
        return self.said("subject.label")

    @property
    def reason(self) -> Any:
        return self.said("reason")

    @property
    def facts(self) -> list[tuple[str, Any]]:
        return [(_worded(name), printed(self.said(name))) for name in self._named("facts.")]

    @property
    def changes(self) -> list[dict[str, Any]]:
        """Old and new of each field, or that they were erased."""
        found = []
        for name in self._named("changes."):
            if name in self.known:
                old, new = self.known[name]
                found.append({"field": _worded(name), "old": printed(old), "new": printed(new), "erased": False})
            else:
                found.append({"field": _worded(name), "old": None, "new": None, "erased": True})
        return found

    @property
    def sentence(self) -> SafeString:
        text = events.sentence(
            escape(self.entry.type),
            actor=conditional_escape(self.actor),
            subject=conditional_escape(self.subject),
            reason=conditional_escape(self.reason),
            facts={name[6:]: conditional_escape(printed(self.said(name))) for name in self._named("facts.")},
        )
        return mark_safe(text)  # noqa: S308 - the template is ours, each value in it is escaped

    def _named(self, prefix: str) -> list[str]:
        return sorted(name for name in self.body["sealed"] if name.startswith(prefix))


@dataclass(frozen=True)
class Group:
    """Entries of one action, side by side."""

    entries: list[Shown]
    goes_on: bool = field(default=False)  # with entries that are not on this page

    @property
    def is_single(self) -> bool:
        return len(self.entries) == 1

    @property
    def actor(self) -> Any:
        return self.entries[0].actor

    @property
    def at(self) -> datetime:
        return self.entries[0].at

    @property
    def sentence(self) -> SafeString:
        """What it came to: the entry of the action that was written last."""
        return self.entries[0].sentence

    @property
    def refused(self) -> int:
        return sum(entry.is_refused for entry in self.entries)


def shown(entries: Sequence[Entry]) -> list[Shown]:
    pages = things.links((entry.subject_type, entry.subject_id) for entry in entries)
    return [Shown(entry, pages.get((entry.subject_type, entry.subject_id), "")) for entry in entries]


def latest(about: Iterable[object], *, units: Iterable[str]) -> list[Shown]:
    """The last entries about these things that a reader of these units may see, newest first."""
    found = queries.entries(units=units).filter(subject_id__in=[str(each) for each in about])
    return shown(list(found[:EXCERPT]))


def groups(entries: Sequence[Entry], after: Entry | None) -> list[Group]:
    """`after` is the entry that would stand next on a longer page."""
    found = [list(each) for _, each in groupby(shown(entries), key=lambda each: each.entry.action)]
    last = entries[-1].action if entries else None
    goes_on = after is not None and after.action == last
    return [Group(each, goes_on and each is found[-1]) for each in found]


def printed(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _worded(name: str) -> str:
    return name.partition(".")[2].replace("_", " ")
