from __future__ import annotations

import re

from people.membership import By
from people.models import Unit
from people.roles import Duty
from registry import words
from registry.events import Event
from registry.models import Environment
from registry.permission import require
from trail.errors import BadInput
from trail.record import recording

SLUG = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")


def open_environment(*, unit: Unit, slug: str, name: str, actor: By, reason: str) -> Environment:
    """Somewhere that versions can run, for a unit and those below it; people need the administrator's role."""
    slug, name = words.line(slug, where="slug", most=40), words.line(name, where="name", most=100, needed=True)
    if not SLUG.fullmatch(slug):
        raise BadInput(f"“{slug}” is no slug; write lower-case letters and digits, such as production.", where="slug")
    with recording(Event.ENVIRONMENT_OPENED, actor=actor, reason=reason, subject=unit) as entry:
        require(actor, Duty.ADMINISTER, unit.path)
        if known := Environment.objects.filter(unit=unit, slug=slug).first():
            raise BadInput(
                f"{unit.name} has an environment {slug} already ({known.name}); choose another slug.",
                where="slug",
                status=409,
            )
        environment = entry.create(Environment(unit=unit, slug=slug, name=name), "slug", "name")
        entry.about = environment
    return environment
