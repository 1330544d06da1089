from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.core.files.base import ContentFile

from audits import jobs
from audits.models import Run
from people.models import User
from registry import datasets, versions
from registry.models import Dataset, RegisteredModel, Version
from tests.personas import WHY, Bank


@pytest.fixture
def upload(developer: User, bank: Bank) -> Callable[..., Dataset]:
    """`upload(csv text or bytes, role=column or [columns], ...)`: a dataset in the developer's unit."""

    def make(content: str | bytes, *, file_name: str = "table.csv", **roles: str | list[str]) -> Dataset:
        by_column: dict[str, list[str]] = {}
        for role, columns in roles.items():
            for column in [columns] if isinstance(columns, str) else columns:
                by_column.setdefault(column, []).append(role)
        content = content.encode() if isinstance(content, str) else content
        return datasets.upload(
            unit=bank.retail,
            name=f"Table {Dataset.objects.count() + 1}",
            file=io.BytesIO(content),
            file_name=file_name,
            roles=by_column,
            actor=developer,
            reason=WHY,
        )

    return make


@pytest.fixture
def register(model: RegisteredModel, developer: User) -> Callable[..., Version]:
    """`register()`: a version without an artifact; `register(bytes, "name.skops")`: one with it."""

    def make(artifact: bytes | None = None, file_name: str = "", **more: Any) -> Version:
        file = ContentFile(artifact, name=file_name) if artifact is not None else None
        return versions.register(model=model, artifact=file, file_name=file_name, actor=developer, reason=WHY, **more)

    return make


@pytest.fixture
def bare(register: Callable[..., Version]) -> Version:
    """A version whose predictions come with the data."""
    return register()


@pytest.fixture
def check(api: Callable[..., Any], developer: User) -> Callable[..., dict[str, Any]]:
    """`check(version, name, dataset, **params)`: ask over the API, do it as the worker does, read it over the API.

    Measured anew each time: what was measured before is not taken over.
    """
    client = api(developer)

    def ask(version: Version, name: str, dataset: Dataset, **params: Any) -> dict[str, Any]:
        body = {"check": name, "dataset": str(dataset.pk), "params": params, "fresh": True}
        asked = client.post(f"/api/v1/versions/{version.pk}/runs/", body)
        assert asked.status_code == 202, asked.json()
        jobs.work(Run.objects.get(pk=asked.json()["id"]).job_id)
        read = client.get(asked["Location"])
        assert read.status_code == 200
        found: dict[str, Any] = read.json()
        assert found["status"] == "succeeded", found["error"]
        assert UUID(found["id"])
        return found

    return ask
