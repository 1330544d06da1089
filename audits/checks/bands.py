"""Numbers gathered into bands, so that a sensitive column such as age makes few groups."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from audits.checks import columns
from registry.models import Dataset

SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Edges at which a numeric sensitive column is cut into groups. {“age”: [25]} makes “≤25” and “>25”; "
    "{“age”: {“edges”: [25], “right”: false}} makes “<25” and “≥25”.",
    "additionalProperties": {
        "anyOf": [
            {"$ref": "#/$defs/edges"},
            {
                "type": "object",
                "properties": {"edges": {"$ref": "#/$defs/edges"}, "right": {"type": "boolean"}},
                "required": ["edges"],
                "additionalProperties": False,
            },
        ]
    },
    "default": {},
}
EDGES: dict[str, Any] = {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 49}


def prepared(dataset: Dataset, given: dict[str, Any], sensitive: list[str]) -> dict[str, dict[str, Any]]:
    """`{column: {"edges": [...], "right": bool}}` of numeric sensitive columns."""
    stated = {}
    for name, cut in given.items():
        column = columns.named(dataset, name, "bins")
        if name not in sensitive:
            raise columns.bad("bins", f"“{name}” is cut by “bins” but is not among the sensitive columns.")
        if column["type"] not in columns.NUMERIC:
            raise columns.bad(
                "bins", f"{dataset.file_name}, column “{name}” holds {column['type']}; only numbers are cut."
            )
        band = {"right": True} | (cut if isinstance(cut, dict) else {"edges": cut})
        if any(one >= other for one, other in pairwise(band["edges"])):
            raise columns.bad(f"bins.{name}", f"The edges of “{name}” must rise: {band['edges']}.")
        stated[name] = band
    return stated


def labels(edges: list[float], *, right: bool) -> list[str]:
    """The bands' names, which say on which side an edge itself falls."""
    below, above = ("≤", ">") if right else ("<", "≥")
    shown = [str(int(edge)) if float(edge).is_integer() else str(edge) for edge in edges]
    between = [f"{above}{low} and {below}{high}" for low, high in pairwise(shown)]
    return [f"{below}{shown[0]}", *between, f"{above}{shown[-1]}"]


def cut(values: Any, edges: list[float], *, right: bool) -> Any:
    """Each value's band; a missing value stays missing."""
    import numpy as np
    import pandas as pd

    found = pd.to_numeric(values).to_numpy(dtype=float, na_value=np.nan)
    bands = np.array([*labels(edges, right=right), None], dtype=object)
    places = np.where(np.isnan(found), len(bands) - 1, np.digitize(found, edges, right=right))
    return pd.Series(bands[places], index=values.index, dtype=object)
