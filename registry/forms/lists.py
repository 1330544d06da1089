"""The filters of the lists of models and datasets."""

from __future__ import annotations

from typing import Any

from people.models import User
from registry import listing, queries
from registry.forms.filters import FilterForm, any_of, text, units
from registry.models import RegisteredModel
from registry.stages import Stage

TIERS = [(str(tier), f"T{tier}") for tier in range(1, 5)]


class ModelFilter(FilterForm):
    def __init__(self, data: Any, *, user: User) -> None:
        filters = {
            "q": text("Name, purpose, vendor or technique"),
            "tier": any_of("Tier", TIERS, none="Not tiered"),
            "stage": any_of("Stage", list(Stage.choices), none="No version"),
            "lifecycle": any_of("Life cycle", [(said, said) for said in queries.lifecycles(user)], none="Not stated"),
            "unit": any_of("Unit", units(user)),
            "origin": any_of("Origin", list(RegisteredModel.Origin.choices)),
            "owner": any_of("Owner", listing.owners(user), none="Not stated"),
        }
        super().__init__(data, filters)


class DatasetFilter(FilterForm):
    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data, {"q": text("Name, file or licence"), "unit": any_of("Unit", units(user))})
