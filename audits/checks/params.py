"""A check's parameters, held against its JSON schema."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from jsonschema import Draft202012Validator

from trail.errors import BadInput


def complete(schema: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """`params` with the schema's defaults filled in; BadInput names the first parameter that does not fit."""
    known = schema["properties"]
    for name in params:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            meant = f"; did you mean “{close[0]}”?" if close else "."
            sentence = f"There is no parameter “{name[:60]}”{meant} This check knows {', '.join(known)}."
            raise BadInput(sentence, where=f"params.{name}")
    given = {name: value for name, value in params.items() if value is not None}
    for error in Draft202012Validator(schema).iter_errors(given):
        name = ".".join(str(step) for step in error.absolute_path)
        raise BadInput(f"The parameter “{name}” does not fit: {error.message}.", where=f"params.{name}")
    defaults = {name: stated["default"] for name, stated in known.items() if "default" in stated}
    return defaults | given


# Parameters that several checks share, so that they mean the same in each.
TARGET = {
    "type": "string",
    "title": "Target",
    "description": "The column with what really happened; by default the one with that role.",
}
FAVOURABLE = {
    "title": "Favourable value",
    "type": ["string", "number", "boolean"],
    "description": "The value of the target that counts as favourable (the positive outcome); by default 1, true, "
    "good or yes, if the target holds exactly one of them.",
}
PREDICTION = {
    "type": "string",
    "title": "Decisions",
    "description": "The column with the decisions, written as the target's values are. With neither decisions nor "
    "scores, the artifact scores the rows.",
}
SCORE = {
    "type": "string",
    "title": "Scores",
    "description": "The column with scores, higher for the favourable outcome.",
}
THRESHOLD = {"type": "number", "description": "A score of this or more is a favourable decision; 0.5 by default."}
LABELS = {
    "title": "Classes of the artifact",
    "x-advanced": True,
    "type": "array",
    "items": {"type": ["string", "number", "boolean"]},
    "minItems": 2,
    "uniqueItems": True,
    "description": "What the artifact's classes stand for, in its order, if it only numbers them.",
}
CONFIDENCE = {
    "type": "number",
    "exclusiveMinimum": 0,
    "exclusiveMaximum": 1,
    "default": 0.95,
    "description": "Confidence of the intervals.",
    "x-advanced": True,
}
SEED = {
    "type": "integer",
    "minimum": 0,
    "maximum": 2**32 - 1,
    "default": 0,
    "description": "Seed of anything random.",
    "x-advanced": True,
}
