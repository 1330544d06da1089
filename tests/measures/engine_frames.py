"""Rows that engines count: of every type, with blanks, quotes, missing cells; and what memory says of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

from audits.checks import bands
from audits.engines import counting
from audits.engines.queries import Bands, Decisions, Spread
from audits.measures import binned_auc, counts, fairness, labels

TYPES = {
    "y": "integer",
    "p": "integer",
    "score": "number",
    "text": "text",
    "whole": "integer",
    "flag": "boolean",
    "number": "number",
}
ARROW = {
    "y": pa.int8(),
    "p": pa.int64(),
    "score": pa.float64(),
    "text": pa.string(),
    "whole": pa.int64(),
    "flag": pa.bool_(),
    "number": pa.float64(),
}
EDGES = [-1.0, 0.1, 3.0]
CUT = Bands(tuple(EDGES), False, tuple(bands.labels(EDGES, right=False)))
THRESHOLD = 0.3
SENSITIVE = ("text", "whole", "flag", "number")
DECISIONS = Decisions(target="y", prediction="p", sensitive=SENSITIVE, bands={"number": CUT})
SCORED = Decisions(target="y", score="score", threshold=THRESHOLD, sensitive=SENSITIVE, bands={"number": CUT})

TEXTS = st.one_of(
    st.none(),
    st.sampled_from(
        ["", " ", "NA", "null", "a", "A", " a", "a ", "'", '"', "it's", 'say "x"', "é", "ß", "名", "1", "1.0"]
    ),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=3),
)
NUMBERS = st.one_of(st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0, -1.0, 3.0, 0.1 + 0.2]), st.floats(-1e6, 1e6))


@st.composite
def frames(draw: st.DrawFn) -> dict[str, list[Any]]:
    """Columns of one length; both outcomes occur."""
    size = draw(st.integers(2, 30))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=size, max_size=size))

    outcome = st.sampled_from([0, 1])
    return {
        "y": [0, 1, *column(outcome)[2:]],
        "p": column(outcome),
        "score": column(NUMBERS),
        "text": column(TEXTS),
        "whole": column(st.one_of(st.none(), st.integers(-3, 3), st.sampled_from([-(2**40), 2**52]))),
        "flag": column(st.one_of(st.none(), st.booleans())),
        "number": column(st.one_of(st.none(), NUMBERS)),
    }


def example(size: int) -> dict[str, list[Any]]:
    """One such frame, always the same."""
    drawn = np.random.default_rng(11)
    return {
        "y": [index % 2 for index in range(size)],
        "p": drawn.integers(0, 2, size).tolist(),
        "score": drawn.normal(size=size).tolist(),
        "text": [["a", "b", None][code] for code in drawn.integers(0, 3, size)],
        "whole": drawn.integers(-2, 2, size).tolist(),
        "flag": [[True, False, None][code] for code in drawn.integers(0, 3, size)],
        "number": drawn.normal(size=size).tolist(),
    }


def arrow(frame: dict[str, list[Any]]) -> pa.Table:
    return pa.table({name: pa.array(values, type=ARROW[name]) for name, values in frame.items()})


def column(frame: dict[str, list[Any]], name: str) -> Any:
    """A column as the reader of kept datasets gives it."""
    values = frame[name]
    if name == "text":
        bare = [None if value is None else value.strip() for value in values]
        return pd.Series(
            [None if not value or value.lower() in counting.MISSING else value for value in bare], dtype="str"
        )
    if name == "flag":
        return pd.Series(values, dtype="boolean")
    return pd.Series(values, dtype=float)


def groups(frame: dict[str, list[Any]]) -> dict[str, Any]:
    found = {name: column(frame, name) for name in SENSITIVE}
    return found | {"number": bands.cut(found["number"], EDGES, right=False)}


def written(tables: list[counts.Table]) -> str:
    """Tables in full, so that 1 and True are two things."""
    return json.dumps([[table.attributes, table.groups, table.counts.tolist()] for table in tables])


def assessed(frame: dict[str, list[Any]]) -> list[str]:
    """The tables that memory gives, of the predictions and of the scores."""
    actual = np.array(frame["y"]) == 1
    decisions = np.array(frame["p"]) == 1, np.array(frame["score"]) >= THRESHOLD
    sets = fairness.chosen(list(SENSITIVE), intersections=True)
    return [
        written(counts.tabulate(actual=actual, predicted=predicted, sensitive=groups(frame), attribute_sets=sets))
        for predicted in decisions
    ]


def counted(source: counting.Source) -> list[str]:
    """The same tables, counted by an engine."""
    return [written(counting.count(source, asked, favourable=1).tables) for asked in (DECISIONS, SCORED)]


def binned(frame: dict[str, list[Any]], bins: int) -> str:
    """The histograms that memory gives: per text, and of all."""
    codes, names = labels.levels(column(frame, "text"))
    held = binned_auc.histogram(
        positive=np.array(frame["y"]) == 1, score=np.array(frame["score"]), codes=codes, groups=len(names), bins=bins
    )
    return json.dumps([[{"text": name} for name in names], sparse(held), [{}], sparse(held.sum(axis=0, keepdims=True))])


def histograms(source: counting.Source, bins: int, score: str = "score") -> str:
    asked = Spread(target="y", score=score, sensitive=("text",))
    by_text, whole = counting.histograms(source, asked, favourable=1, bins=bins, attribute_sets=[("text",), ()])
    return json.dumps([by_text.groups, sparse(by_text.counts), whole.groups, sparse(whole.counts)])


def sparse(held: Any) -> list[list[int]]:
    return [[*map(int, place), int(held[tuple(place)])] for place in np.argwhere(held)]
