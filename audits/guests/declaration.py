"""What a package says of its check, in the JSON file beside its module."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator

from audits.guests.packages import Unusable
from registry.models import ColumnRole

LONGEST = 100_000
# The words of JSON Schema that can be judged at once: no reference that is fetched, no pattern that never ends.
_COUNT = {"type": "integer", "minimum": 0}
_NUMBER = {"type": "number"}
_COLUMNS = {"enum": ["any", "number", "few"]}
_WORDS: dict[str, Any] = {
    "type": {"enum": ["string", "integer", "number", "boolean", "array"]},
    "title": {"type": "string", "maxLength": 60},
    "description": {"type": "string", "minLength": 1, "maxLength": 500},
    "default": {},
    "enum": {"type": "array", "minItems": 1, "maxItems": 100, "items": {"type": ["string", "number", "boolean"]}},
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _NUMBER),
    **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength"), _COUNT),
    "uniqueItems": {"type": "boolean"},
    "x-column": _COLUMNS,
    "x-columns": _COLUMNS,
    "x-advanced": {"type": "boolean"},
}
_PARAMETER = {
    "type": "object",
    "additionalProperties": False,
    "required": ["type", "description"],
    "properties": _WORDS
    | {
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["type"],
            "properties": {name: _WORDS[name] for name in ("type", "enum", "minimum", "maximum", "maxLength")},
        }
    },
    "dependentSchemas": {
        "x-column": {"properties": {"type": {"const": "string"}}},
        "x-columns": {"properties": {"type": {"const": "array"}}},
    },
}
_DECLARATION = Draft202012Validator(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "version", "title", "answers"],
        "properties": {
            "name": {"type": "string", "pattern": r"^[a-z][a-z0-9_-]{1,39}\Z"},
            "version": {"type": "string", "minLength": 1, "maxLength": 20},
            "title": {"type": "string", "minLength": 1, "maxLength": 80},
            "answers": {"type": "string", "minLength": 1, "maxLength": 2000},
            "params": {
                "type": "object",
                "maxProperties": 50,
                "propertyNames": {"pattern": r"^[a-z][a-z0-9_]{0,39}\Z"},
                "additionalProperties": _PARAMETER,
            },
            "reads": {"type": "array", "uniqueItems": True, "items": {"enum": ColumnRole.values}},
            "scores": {"type": "boolean"},
        },
    }
)


@dataclass(frozen=True)
class Declaration:
    """`reads`: roles whose columns are handed over, beside those that parameters name; `scores`: whether it needs one
    for each row."""

    name: str
    version: str
    title: str
    answers: str
    params: dict[str, Any] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    scores: bool = False


def read(content: bytes, *, path: str) -> Declaration:
    if len(content) > LONGEST:
        raise Unusable(f"{path} is longer than {LONGEST:,} bytes.")
    try:
        said = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"{path} is not JSON: {error}.") from error
    for wrong in _DECLARATION.iter_errors(said):
        raise Unusable(f"{path}, {wrong.json_path}: {wrong.message[:300]}.")
    declared = Declaration(**said)
    for name, stated in declared.params.items():
        if "default" in stated and not Draft202012Validator(stated).is_valid(stated["default"]):
            raise Unusable(f"{path}: the default of {name} is not what the parameter takes.")
    return declared
