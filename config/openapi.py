"""How the OpenAPI document describes bearer tokens, and the moment that every GET takes."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "people.bearer.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A token of `manage.py create_token`."}


AS_OF = {
    "name": "as_of",
    "in": "query",
    "description": "A past moment, such as 2026-03-01T12:00:00Z, or a day for its end: shows what stood then.",
    "schema": {"type": "string"},
}


def every_get_takes_a_moment(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """config.past answers any GET as of a past moment."""
    result.setdefault("components", {}).setdefault("parameters", {})["as_of"] = AS_OF
    for methods in result["paths"].values():
        if get := methods.get("get"):
            get.setdefault("parameters", []).append({"$ref": "#/components/parameters/as_of"})
    return result
