"""Reading a policy's text strictly: what two people read in it is the same thing, or it is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from trail.errors import BadInput

SCHEMA = Path(__file__).parent / "policies" / "schema.json"
MOST_CHARACTERS = 100_000


class _Strict(yaml.SafeLoader):
    """No key twice (the last would win silently), no aliases (a few of them can grow without end)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(None, None, "Aliases (*name) are not allowed", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [key.value for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise yaml.MarkedYAMLError(None, None, f"The key “{name}” stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


@lru_cache(maxsize=64)
def load(text: str) -> dict[str, Any]:
    """The policy in `text`, which fits the schema. Don't change what it returns; it is kept."""
    if len(text) > MOST_CHARACTERS:
        raise BadInput(f"The policy has {len(text):,} characters; at most {MOST_CHARACTERS:,} fit.", where="text")
    try:
        content = yaml.load(text, _Strict)  # noqa: S506, a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f"Line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise BadInput(f"{line}{error.problem or 'this is not YAML'}.", where="text") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadInput("The policy is not YAML text.", where="text") from error
    _refuse_misfit(content)
    return content  # type: ignore[no-any-return]


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text()))


def _refuse_misfit(content: Any) -> None:
    if error := best_match(_validator().iter_errors(content)):
        where = place([str(part) for part in error.absolute_path])
        message = "must have exactly one of min, max and equals" if error.validator == "oneOf" else error.message
        raise BadInput(f"{where}: {message}.", where=where)
    for path, number in _numbers(content, []):
        if not math.isfinite(number):
            raise BadInput(f"{place(path)}: {number} is no number to compare with.", where=place(path))


def place(path: list[str]) -> str:
    """Where in the policy: `tiers.T2.production.evidence[0]`."""
    spelt = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path)
    return spelt.strip(".") or "The policy"


def _numbers(value: Any, path: list[str]) -> list[tuple[list[str], float]]:
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in _numbers(item, [*path, str(key)])]
    if isinstance(value, list):
        return [found for index, item in enumerate(value) for found in _numbers(item, [*path, str(index)])]
    return [(path, value)] if isinstance(value, float) else []
