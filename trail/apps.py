from django.apps import AppConfig
from django.db.backends.signals import connection_created


class TrailConfig(AppConfig):
    name = "trail"

    def ready(self) -> None:
        from trail import guard

        connection_created.connect(guard.install, dispatch_uid="trail.guard")
