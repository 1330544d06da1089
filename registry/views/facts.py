"""What the pages of the registry say about a thing, in the order in which they say it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import models
from django.db.models import Q

from people.models import Unit, User
from people.queries import units_for
from people.roles import Duty
from registry import inventory, queries
from registry.fields import EDITED
from registry.forms.groups import GROUPS
from registry.forms.inventory import LABELS
from registry.models import CustomField, Lineage, RegisteredModel, Version
from registry.stages import Stage

Group = tuple[str, list[dict[str, Any]]]


def stage(versions: Sequence[Version]) -> str:
    """The stage to head a model's page with: production if a version runs there, otherwise its latest version's."""
    stages = [version.stage for version in versions]
    return Stage.PRODUCTION if Stage.PRODUCTION in stages else next(iter(stages), "")


def groups(model: RegisteredModel) -> list[Group]:
    """The inventory fields in their groups, and last the ones that units added."""
    found = [(title, [fact(model, name) for name in names if name != "name"]) for title, names in GROUPS.items()]
    customs = inventory.custom_fields(model.unit)
    if customs:
        found.append(("Fields of this unit", [custom_fact(model, custom) for custom in customs]))
    return found


def fact(model: RegisteredModel, name: str) -> dict[str, Any]:
    column = EDITED[name]
    value = getattr(model, f"get_{name}_display")() if column.choices else getattr(model, name)
    return {
        "label": LABELS.get(name, str(column.verbose_name).capitalize()),
        "value": "" if value in {"Not stated", "Not assessed"} else shown(value),
        "wide": isinstance(column, models.TextField),
    }


def custom_fact(model: RegisteredModel, custom: CustomField) -> dict[str, Any]:
    value = model.custom.get(custom.name)
    if custom.kind == CustomField.Kind.DATE and value:
        value = date.fromisoformat(value)
    link = value if custom.kind == CustomField.Kind.URL else ""
    wide = isinstance(value, str) and len(value) > 60
    return {"label": custom.label, "value": shown(value), "link": link, "wide": wide}


def shown(value: Any) -> Any:
    return f"{value.day} {value:%b %Y}" if isinstance(value, date) else value


def edges(user: User, model: RegisteredModel) -> dict[str, list[Lineage]]:
    """What feeds the model, what it feeds, and what its versions were made from."""
    about = Q(to_model=model) | Q(from_model=model) | Q(to_version__model=model) | Q(from_version__model=model)
    found = list(queries.lineage(user).filter(about))
    return {
        "fed_by": [edge for edge in found if edge.to_model_id == model.pk],
        "feeds": [edge for edge in found if edge.from_model_id == model.pk],
        "made_from": [edge for edge in found if edge.to_version_id],
    }


def chosen_unit(user: User, given: str | None) -> Unit | None:
    """The unit a form is about to register in, if it is one of the user's; with only one, that one."""
    offered = {str(unit.pk): unit for unit in units_for(user, Duty.REGISTER).order_by("path")}
    if len(offered) == 1:
        return next(iter(offered.values()))
    return offered.get(given or "")
