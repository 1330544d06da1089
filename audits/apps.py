from django.apps import AppConfig


class AuditsConfig(AppConfig):
    name = "audits"

    def ready(self) -> None:
        from audits import history, running  # noqa: F401 - declare how runs are done, and what became of them
