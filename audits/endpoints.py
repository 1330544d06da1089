"""Where a version says that it is served: its fact `endpoint`, {"url", "protocol", "model"}."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from audits.sandbox import addresses
from audits.sandbox.addresses import Allowed, Endpoint
from registry.models import Version
from trail.errors import BadInput

FACT = "endpoint"


def names_one(version: Version) -> bool:
    """Whether scores must be asked for elsewhere: an artifact that is here comes first."""
    return version.artifact is None and bool(version.facts.get(FACT))


def of(version: Version) -> Endpoint:
    try:
        return addresses.read(version.facts.get(FACT), allowed())
    except ValueError as error:
        raise BadInput(str(error), where="version") from error


def allowed() -> Allowed:
    return Allowed(settings.SCORING_HOSTS, settings.SCORING_NETWORKS, tokens(settings.ENDPOINT_TOKENS))


def tokens(text: str) -> dict[str, str]:
    """By origin, from origin=token with blanks between."""
    pairs = (pair.partition("=") for pair in text.split())
    return {origin: token for origin, _, token in pairs}


def source(version: Version, scale: str, classes: list[Any]) -> dict[str, Any]:
    """What a result says of where its scores come from."""
    said = version.facts[FACT]
    return {
        "kind": "endpoint",
        "url": said["url"],
        "protocol": said["protocol"],
        "model": said.get("model"),
        "scale": scale,
        "classes": classes,
    }
