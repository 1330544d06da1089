"""The same inputs give the same result, byte for byte; so a result that is there already is used again."""

from __future__ import annotations

import json
import platform
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import Any

from django.conf import settings

from audits.models import Job, Run
from audits.queries import recorded_digest
from trail.canonical import canonical_result, digest

ROOMS = ("audits", "registry")
# What a result was measured on, where a digest says all of it. An endpoint elsewhere may answer otherwise tomorrow.
LASTING = ("artifact", "column")
NEWEST = 10


def earlier(run: Run, stated: dict[str, Any]) -> tuple[Run, dict[str, Any]] | None:
    """The newest run with the same inputs as `stated` (the record's "run") under the same code, and its record; nothing
    if there is none, or if its record is not the one that the trail holds any more."""
    same = Run.objects.filter(
        version=run.version_id,
        dataset=run.dataset_id,
        check_name=run.check_name,
        check_version=stated["check_version"],
        params=run.params,
        job__status=Job.Status.SUCCEEDED,
    )
    for found in same.exclude(pk=run.pk).order_by("-finished_at", "pk")[:NEWEST]:
        content = bytes(found.record)
        if not digest(content) == found.result_digest == recorded_digest(found):
            continue
        record: dict[str, Any] = json.loads(content)
        if alike(record["run"], stated) and lasting(record["result"]):
            return found, record
    return None


def alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two runs depend on the same: all but their own ids, and every library as it is installed now."""
    own = dict.fromkeys(("id", "libraries"))
    if canonical_result(one | own) != canonical_result(other | own):
        return False
    return other["libraries"].items() <= one["libraries"].items() and all(
        current(name) == version for name, version in one["libraries"].items()
    )


def lasting(result: dict[str, Any]) -> bool:
    source = result.get("source")
    return source is None or source["kind"] in LASTING


def current(library: str) -> str | None:
    if library == "python":
        return platform.python_version()
    try:
        return installed(library)
    except PackageNotFoundError:
        return None


@cache
def code_digest() -> str:
    """The digest of what measures and reads: a result is used again under the same code only."""
    found = sha256()
    for room in ROOMS:
        for path in sorted((settings.BASE_DIR / room).rglob("*.py")):
            found.update(f"{path.relative_to(settings.BASE_DIR)} {sha256(path.read_bytes()).hexdigest()}\n".encode())
    return f"sha256:{found.hexdigest()}"
