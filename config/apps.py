from collections.abc import Iterable
from pathlib import Path

from django.apps import AppConfig
from django.conf import settings


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import openapi  # noqa: F401  (registers itself)

        broker: Iterable[str] = settings.CELERY_BROKER_TRANSPORT_OPTIONS.values()
        for folder in (settings.DATA, settings.STATIC_ROOT, *broker):
            Path(str(folder)).mkdir(parents=True, exist_ok=True)
