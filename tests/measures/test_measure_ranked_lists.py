"""Ranked lists: scikit-learn's NDCG, and every order of the tied rows tried."""

import json
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from audits.measures import ranked_lists
from audits.measures.errors import Unmeasurable

LIST = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=6)


def by_every_order(relevance, score, k):
    """NDCG, average precision, reciprocal rank and precision@k, averaged over all orders that the scores allow."""
    found = []
    best = np.sort(relevance)[::-1] @ [1 / np.log2(at + 2) if at < k else 0 for at in range(len(score))]
    for order in permutations(range(len(score))):
        if all(score[a] >= score[b] for a, b in pairwise(order)):
            grades = np.array([relevance[at] for at in order], dtype=float)
            held = grades >= 1
            places = np.flatnonzero(held) + 1
            gain = sum(grade / np.log2(at + 2) for at, grade in enumerate(grades[:k]))
            precision = np.mean(np.arange(1, len(places) + 1) / places)
            found.append([gain / best, precision, 1 / places[0], held[:k].mean()])
    return np.mean(found, axis=0)


@settings(max_examples=30, deadline=None)
@given(LIST.filter(lambda rows: any(grade for grade, _ in rows)), st.integers(1, 6))
def test_ties_are_averaged_over_every_order(rows, k):
    relevance, score = np.array(rows).T
    found = ranked_lists.assess(query=["q"] * len(rows), relevance=relevance, score=score, k=k)
    values = [found[name]["value"] for name in ranked_lists.MEASURES]
    assert values == pytest.approx(list(by_every_order(relevance, score, k)), abs=1e-12)
    assert found["ndcg"]["value"] == pytest.approx(metrics.ndcg_score([relevance], [score], k=k), abs=1e-12)
    json.dumps(found, allow_nan=False)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 4)), min_size=3, max_size=30))
def test_queries_are_averaged_and_those_without_relevant_rows_left_out(rows):
    query, relevance, score = (np.array(column) for column in zip(*rows, strict=True))
    found = ranked_lists.assess(query=query, relevance=relevance, score=score)
    known = [name for name in set(query) if relevance[query == name].max() >= 1]
    assert found["without_relevant"] == len(set(query)) - len(known)
    if not known:
        assert found["map"]["value"] is None
        return
    single = [
        ranked_lists.assess(query=query[query == name], relevance=relevance[query == name], score=score[query == name])
        for name in known
    ]
    for name in ranked_lists.MEASURES:
        assert found[name]["value"] == pytest.approx(np.mean([one[name]["value"] for one in single]))
    assert found["worst"][0]["ndcg"] == pytest.approx(min(one["ndcg"]["value"] for one in single))
    json.dumps(found, allow_nan=False)


def test_exponential_gains():
    found = ranked_lists.assess(query=[1, 1, 1], relevance=[1, 3, 0], score=[3, 2, 1], gain="exponential")
    assert found["ndcg"]["value"] == pytest.approx((1 + 7 / np.log2(3)) / (7 + 1 / np.log2(3)))


def test_the_order_of_the_file_decides_nothing():
    rows = np.random.default_rng(3).integers(0, 4, (60, 3))
    given_ = dict(zip(("query", "relevance", "score"), rows.T, strict=True))
    turned = dict(zip(("query", "relevance", "score"), rows[::-1].T, strict=True))
    first, second = ranked_lists.assess(**given_), ranked_lists.assess(**turned)
    for name in ranked_lists.MEASURES:
        assert first[name]["value"] == pytest.approx(second[name]["value"], abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"relevance": [1, -1]}, "relevance"),
        ({"score": [1, np.inf]}, "score"),
        ({"k": 0}, "k"),
        ({"gain": "cubic"}, "gain"),
        ({"gain": "exponential", "relevance": [1, 2000]}, "relevance"),
        ({"score": [1]}, "score"),
    ],
)
def test_input_without_a_right_answer_is_refused(changes, param):
    with pytest.raises(Unmeasurable) as refusal:
        ranked_lists.assess(**{"query": ["a", "a"], "relevance": [1, 0], "score": [0.4, 0.2]} | changes)
    assert refusal.value.param == param
