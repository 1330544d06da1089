"""Packages with checks, laid out as an installer leaves them: files, and a dist-info with RECORD and entry points."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

DECLARED: dict[str, Any] = {"name": "guest", "version": "1", "title": "Guest", "answers": "Says something."}


def install(
    folder: Path,
    files: dict[str, str],
    *,
    points: dict[str, str],
    name: str = "acme-checks",
    version: str = "1.2.0",
) -> Path:
    """Write the package into `folder` and return its dist-info."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    listed = "".join(f"{point} = {module}\n" for point, module in points.items())
    about = {
        f"{info.name}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info.name}/entry_points.txt": f"[countersign.checks]\n{listed}",
    }
    rows = []
    for path, content in (files | about).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
        held = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={held},{len(content.encode())}\n")
    (info / "RECORD").write_text("".join([*rows, f"{info.name}/RECORD,,\n"]))
    return info


def guest(folder: Path, code: str, **declared: Any) -> None:
    """A package with one check called guest, whose module holds `code`."""
    said = json.dumps(DECLARED | declared)
    install(
        folder, {"acme/__init__.py": "", "acme/guest.py": code, "acme/guest.json": said}, points={"guest": "acme.guest"}
    )
