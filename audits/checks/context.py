"""What a check is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from registry.models import Dataset, Version


@dataclass(frozen=True)
class Context:
    """`progress(fraction, stage)` also stops the check where it stands once it was cancelled."""

    version: Version
    dataset: Dataset
    params: dict[str, Any]
    progress: Callable[[float, str], None]
    cancelled: Callable[[], bool]

    def other_dataset(self, param: str) -> Dataset:
        """The dataset that a parameter names; whoever asked for the run could see it."""
        return Dataset.objects.get(pk=self.params[param])

    def other_version(self, param: str) -> Version:
        """The version that a parameter names; whoever asked for the run could see it."""
        return Version.objects.select_related("artifact", "model__unit").get(pk=self.params[param])


@dataclass(frozen=True)
class Measured:
    """A result as JSON, and the versions of the libraries that made it."""

    result: dict[str, Any]
    libraries: dict[str, str] = field(default_factory=dict)
