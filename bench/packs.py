"""An evidence pack of many models, made as the worker makes it; prints its size and the peak memory as JSON.

python -m bench.packs prepare --models 1000 ; python -m bench.packs build
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import time

import django

WHY = "To be measured"


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("part", choices=["prepare", "build"])
    asked.add_argument("--models", type=int, default=100)
    given = asked.parse_args()
    django.setup()
    prepare(given.models) if given.part == "prepare" else build()


def prepare(models: int) -> None:
    from django.core.files.base import ContentFile
    from django.core.management import call_command

    from people import membership
    from people.roles import Role
    from registry import inventory, versions
    from trail.actors import SYSTEM

    call_command("migrate", verbosity=0)
    unit = membership.open_unit(name="Bank", parent=None, actor=SYSTEM, reason=WHY)
    person = membership.add_user(
        email="bench@bank.example", name="Bench Person", unit=unit, password=None, actor=SYSTEM, reason=WHY
    )
    for role in (Role.OWNER, Role.DEVELOPER, Role.AUDITOR):
        membership.grant(user=person, role=role, unit=unit, actor=SYSTEM, reason=WHY)
    content = artifact()
    for number in range(models):
        model = inventory.register(
            unit=unit,
            name=f"Scorecard {number}",
            fields={"owner": person, "developer": person, "purpose": "Decides credit applications."},
            actor=person,
            reason=WHY,
        )
        file = ContentFile(content, name="model.skops")
        versions.register(model=model, artifact=file, file_name="model.skops", actor=person, reason=WHY)


def artifact() -> bytes:
    import numpy as np
    import skops.io
    from sklearn.linear_model import LogisticRegression

    features = np.arange(40.0).reshape(20, 2)
    file = io.BytesIO()
    skops.io.dump(LogisticRegression().fit(features, features[:, 0] > 20), file)
    return file.getvalue()


def build() -> None:
    from audits import jobs
    from people.models import Unit, User
    from reports import packs

    asked = packs.request_unit(unit=Unit.objects.get(), actor=User.objects.get(), reason=WHY)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    if not jobs.work(asked.job_id):
        raise SystemExit(f"The pack could not be built: {type(asked.job).objects.get(pk=asked.job_id).error}")
    asked.refresh_from_db()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = time.perf_counter() - began
    print(json.dumps({"before": before / 1024, "most": most / 1024, "size": asked.size, "seconds": seconds}))


if __name__ == "__main__":
    main()
