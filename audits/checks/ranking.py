"""Ranking: how good is the order of the rows, query by query?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from audits.checks import amounts, columns, params
from audits.checks.context import Context, Measured
from audits.checks.presenting import Column, Figure, Figures, Section, Table
from registry import reading
from registry.models import Dataset, Version

NAME = "ranking"
VERSION = "1"
TITLE = "Order of ranked lists"
ANSWERS = (
    "Says how well each query's rows are ordered by their scores: NDCG, mean average precision, mean reciprocal rank "
    "and precision among the first k, each a mean over queries with its interval. Rows with the same score are "
    "averaged over all their orders. Not for a single list over all rows, which the check performance measures, and "
    "not where people saw only what an earlier model had put first."
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "query": {
            "type": "string",
            "x-column": "any",
            "description": "The column that says which list a row belongs to.",
        },
        "target": {
            **params.TARGET,
            "title": "Relevance",
            "x-column": "number",
            "description": "The column with each row's relevance, 0 for none; by default the one with the role target.",
        },
        "score": {
            **params.SCORE,
            "x-column": "number",
            "description": "The column with scores, higher first; by default the one with the role score or "
            "prediction, else the artifact scores.",
        },
        "k": {
            "type": "integer",
            "minimum": 1,
            "maximum": 10_000,
            "default": 10,
            "description": "How many rows from the top NDCG and precision look at.",
        },
        "relevant_from": {
            "type": "number",
            "minimum": 0,
            "default": 1,
            "description": "A relevance of this or more is relevant to MAP, MRR and precision.",
            "x-advanced": True,
        },
        "gain": {
            "enum": ["linear", "exponential"],
            "default": "linear",
            "description": "NDCG's gain: the relevance, or 2 to its power less 1.",
            "x-advanced": True,
        },
        "confidence": params.CONFIDENCE,
    },
}


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    if "query" not in stated:
        raise columns.bad("query", "Name the column that says which list a row belongs to in “query”.")
    query = columns.complete(dataset, stated["query"], "query")["name"]
    target = amounts.target(dataset, stated.get("target"))
    source = amounts.prediction(version, dataset, stated.get("score"), param="score")
    for name, param in ((query, "query"), (source.get("score"), "score")):
        if name == target:
            raise columns.bad(param, f"“{target}” is the target itself.")
    kept = ("k", "relevant_from", "gain", "confidence")
    return source | {"query": query, "target": target, **{name: stated[name] for name in kept}}


def run(context: Context) -> Measured:
    from audits.checks import scoring
    from audits.measures import ranked_lists

    stated = context.params
    context.progress(0.05, "Reading the data")
    frame = reading.frame(context.dataset, [stated["query"], stated["target"]])
    named = {"score": stated["score"]} if "score" in stated else {}
    scored = scoring.scores(dataclasses.replace(context, params=named))
    context.progress(0.85, "Measuring")
    result = ranked_lists.assess(
        query=frame[stated["query"]],
        relevance=frame[stated["target"]],
        score=scored.values,
        **{name: stated[name] for name in ("k", "relevant_from", "gain", "confidence")},
    )
    result["source"] = scored.source
    result["limitations"] += scored.limitations
    return Measured(result, scored.libraries)


def figures(result: Mapping[str, Any]) -> list[Figure]:
    k = result["k"]
    return [
        Figure.of(f"NDCG@{k}", result["ndcg"], hint="1 is the best order"),
        Figure.of("MAP", result["map"], hint="mean average precision"),
        Figure.of("MRR", result["mrr"], hint="mean of 1 / place of the first relevant row"),
        Figure.of(f"Precision@{k}", result["precision"], hint=f"relevant among the first {k}"),
    ]


def sections(result: Mapping[str, Any]) -> list[Section]:
    lead = (
        f"{result['n']:,} rows of {result['queries']:,} queries. Intervals are between queries and hold with a "
        f"confidence of {result['confidence']:.0%}."
    )
    rows = [[str(row["query"]), row["ndcg"]] for row in result["worst"]]
    table = Table("Queries with the worst order", [Column("Query"), Column("NDCG", "number")], rows)
    return [Section("", lead, [Figures(figures(result))]), Section("Worst queries", "", [table])]
