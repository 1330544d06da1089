from django.apps import AppConfig


class ReportsConfig(AppConfig):
    name = "reports"

    def ready(self) -> None:
        from reports import history, packs  # noqa: F401 - declare how packs are built, and what became of them
