"""The same save under other people's audit logs, in an environment of their own (bench/peers.txt).

python bench/peers.py bare|auditlog|simple_history --count 3000
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import django
import environ
from django.apps import AppConfig
from django.conf import settings

from bench import harness


class PeersConfig(AppConfig):
    name = "peers"
    path = str(Path(__file__).parent)
    default_auto_field = "django.db.models.BigAutoField"


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("arm", choices=["bare", "auditlog", "simple_history"])
    asked.add_argument("--count", type=int, default=3000)
    given = asked.parse_args()
    sys.modules["peers"] = sys.modules["__main__"]
    configure(given.arm)
    print(json.dumps(measure(given.arm, given.count)))


def configure(arm: str) -> None:
    apps = {"bare": [], "auditlog": ["auditlog"], "simple_history": ["simple_history"]}[arm]
    settings.configure(
        DATABASES={"default": environ.Env().db_url("COUNTERSIGN_DATABASE_URL")},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", *apps, "peers.PeersConfig"],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        SECRET_KEY="measured",
    )
    django.setup()


def measure(arm: str, count: int) -> dict[str, float]:
    from django.core.management import call_command
    from django.db import connection, models, transaction

    class Unit(models.Model):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
        name = models.CharField(max_length=200)
        slug = models.SlugField(max_length=80)
        parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True)
        path = models.CharField(max_length=500, unique=True)

        class Meta:
            app_label = "peers"
            db_table = f"peer_unit_{arm}"

    tables: list[type[models.Model]] = [Unit]
    if arm == "auditlog":
        from auditlog.registry import auditlog

        auditlog.register(Unit)
    if arm == "simple_history":
        import simple_history

        simple_history.register(Unit, table_name="peer_unit_history")
        from django.apps import apps

        tables.append(apps.get_model("peers", "HistoricalUnit"))
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        for table in tables:
            connection.cursor().execute(f'DROP TABLE IF EXISTS "{table._meta.db_table}" CASCADE')
            editor.create_model(table)
    unit = Unit.objects.create(name="Client", slug="client", path="client")

    def write(number: int) -> None:
        with transaction.atomic():
            unit.name = f"Client {number}"
            unit.save()

    for number in range(50):
        write(-number)
    backend = connection.connection.info.backend_pid
    before = time.process_time(), harness.cpu_of(backend)
    for number in range(1, count + 1):
        write(number)
    return {"done": count, "client": time.process_time() - before[0], "server": harness.cpu_of(backend) - before[1]}


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parent.parent)
    main()
