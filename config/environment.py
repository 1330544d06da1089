"""Settings from the environment; one that can't be read is named, with what it should be."""

from __future__ import annotations

import warnings
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import FileAwareEnv

ENGINES = ("django.db.backends.sqlite3", "django.db.backends.postgresql")


class Environment(FileAwareEnv):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.prefix = "COUNTERSIGN_"

    def get_value(self, var: str, cast: Any = None, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().get_value(var, cast, *args, **kwargs)
        except (ValueError, OSError) as error:
            wanted = {int: "a whole number", bool: "true or false"}.get(cast, "readable")
            raise ImproperlyConfigured(f"{self.prefix}{var} is not {wanted}: {error}") from error

    def database(self, var: str, default: str) -> dict[str, Any]:
        with warnings.catch_warnings(action="ignore"):  # its warning would print the password
            found: dict[str, Any] = self.db(var, default=default)
        if found.get("ENGINE") not in ENGINES:
            raise ImproperlyConfigured(
                f"{self.prefix}{var} must be like postgres://user:password@host:5432/name or sqlite:////path/file."
            )
        return found
