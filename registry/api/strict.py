"""JSON read strictly: what two readers could read differently, or what could not be stored, is refused."""

from __future__ import annotations

import json
import math
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from registry import words
from trail.errors import BadInput

DEEPEST = 100
LONGEST = 2 * 1024 * 1024  # bytes; each field has a closer limit of its own


def loads(text: str | bytes) -> Any:
    """The value in `text`. ValueError: it is not JSON. BadInput: it holds text that can't be stored."""
    try:
        read = text.decode() if isinstance(text, bytes) else text
        value = json.loads(read, object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError as error:
        raise ValueError(f"it is nested more than {DEEPEST} deep") from error
    refuse_unsound(value, "")
    return value


def refuse_unsound(value: Any, where: str, depth: int = 0) -> None:
    """Refuse NUL characters and halves of characters, wherever they stand, and nesting without end."""
    if depth > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} deep")
    if isinstance(value, str):
        words.text(value, where=where or "the body", most=len(value))
    elif isinstance(value, dict):
        for name, item in value.items():
            words.text(name, where=f"a name in {where or 'the body'}", most=len(name))
            refuse_unsound(item, f"{where}.{name}".lstrip("."), depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            refuse_unsound(item, f"{where}[{index}]", depth + 1)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name “{twice[:60]}” stands twice in one object; keep one")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError(f"{digits[:40]} is too large a number")
    return number


class JSONParser(BaseParser):
    """400 for what is not JSON, 413 for what is too long to be read at once, 422 for text that can't be stored."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        text = stream.read(LONGEST + 1)
        if len(text) > LONGEST:
            sentence = f"The body holds more than {LONGEST >> 20} MB of JSON; shorten it, or send files as multipart."
            raise BadInput(sentence, status=413)
        try:
            return loads(text)
        except BadInput:
            raise
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}.") from error
