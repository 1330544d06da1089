"""Secrets that an installation makes for itself, kept in its data folder and readable by its owner alone."""

import os
import secrets
from pathlib import Path


def kept_secret(path: Path) -> str:
    """The secret kept at `path`; made on first use. There is no default that two installations share."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = secrets.token_urlsafe(50)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(made)
    except FileExistsError:  # web and worker start together
        return path.read_text().strip()
    return made
