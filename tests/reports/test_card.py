from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from people.models import User
from registry import cards as writing
from registry import inventory, lineage
from registry.models import Lineage
from reports import cards
from tests.personas import WHY

pytestmark = pytest.mark.django_db
SCHEMA = json.loads((Path(cards.__file__).parent / "card.schema.json").read_text())


def item(card: cards.Card, section: str, label: str) -> Any:
    [found] = [each for one in card.sections if one.key == section for each in one.items if each.label == label]
    return found


def missing(card: cards.Card) -> set[tuple[str, str]]:
    return {(each.section, each.item) for each in card.completeness.missing}


def test_a_card_of_little_says_what_is_missing_and_how_to_mend_it(version: Any) -> None:
    card = cards.card(version)
    done = card.completeness
    assert ("Quantitative analyses", "Unitary results: performance") in missing(card)
    assert ("Training data", "Datasets") in missing(card)
    assert all(each.mend.endswith(".") for each in done.missing)
    assert done.filled + len(done.missing) == done.of
    assert done.percent == 100 * done.filled // done.of < 50


def test_what_the_inventory_knows_is_stated_with_its_source(version: Any) -> None:
    card = cards.card(version)
    assert item(card, "intended_use", "Purpose and intended use").value == "Decides consumer credit applications."
    assert item(card, "model_details", "Owner").value == "Olga Owner"
    assert item(card, "model_details", "Origin").stated_source == "inventory"
    assert item(card, "model_details", "Artifact digest").value == version.digest


def test_what_nobody_stated_is_not_stated(version: Any) -> None:
    found = item(cards.card(version), "caveats_and_recommendations", "Functioning")
    assert not found.is_stated
    assert found.stated_source == "not stated"


def test_writing_a_section_fills_it_under_the_writers_name(version: Any, developer: User) -> None:
    before = cards.card(version).completeness
    writing.write_section(version=version, section="factors", text="Sex and age.", actor=developer, reason=WHY)
    card = cards.card(version)
    written = item(card, "factors", "In words")
    assert written.value == "Sex and age."
    assert written.source.startswith("written by Dev Developer on ")
    assert card.completeness.filled == before.filled + 1


def test_lineage_fills_the_training_data(version: Any, dataset: Any, developer: User) -> None:
    lineage.connect(kind=Lineage.Kind.TRAINED_ON, source=dataset, target=version, actor=developer, reason=WHY)
    found = item(cards.card(version), "training_data", "Datasets")
    assert found.value.rows[0][0] == "German credit"
    assert found.value.rows[0][-1] == dataset.digest


def test_each_result_is_stated_as_the_run_recorded_it(
    version: Any, performance: Any, fairness: Any, explainability: Any
) -> None:
    card = cards.card(version)
    result = json.loads(bytes(performance.record))["result"]
    stated = item(card, "quantitative_analyses", "Unitary results: performance")
    assert stated.source == f"run {performance.pk}"
    assert dict(stated.value.rows)["AUC"].value == result["auc"]["value"]
    by_sex = item(card, "quantitative_analyses", "Unitary results: rates by personal_status_and_sex")
    groups = json.loads(bytes(fairness.record))["result"]["groups"]
    assert [row[1] for row in by_sex.value.rows] == [
        group["n"] for group in groups if list(group["group"]) == ["personal_status_and_sex"]
    ]
    crossed = [each for each in card.sections[6].items if each.label.startswith("Intersectional results")]
    assert [each.value.columns[0] for each in crossed] == ["Group", "Measure"]
    assert item(card, "quantitative_analyses", "What drives the output").value.rows
    assert ("Factors", "Groups compared") not in missing(card)


def test_fairness_of_one_attribute_leaves_the_intersections_missing(version: Any, measured: Any) -> None:
    measured("fairness", sensitive=["personal_status_and_sex"])
    assert ("Quantitative analyses", "Intersectional results: fairness") in missing(cards.card(version))


def test_the_card_is_as_of_the_last_entry_about_it(version: Any, owner: User) -> None:
    before = cards.card(version)
    inventory.update(model=version.model, fields={"assumptions": "Stable rates."}, actor=owner, reason=WHY)
    version.model.refresh_from_db()
    after = cards.card(version)
    assert before.trail_entry is not None
    assert after.trail_entry == before.trail_entry + 1
    assert after.as_of > before.as_of
    assert item(after, "caveats_and_recommendations", "Assumptions").value == "Stable rates."


def test_json_is_canonical_and_fits_its_schema(version: Any, fairness: Any) -> None:
    written = cards.as_json(cards.card(version))
    content = json.loads(written)
    jsonschema.Draft202012Validator(SCHEMA).validate(content)
    assert written == cards.as_json(cards.card(version))
    assert content["version"]["artifact_digest"] == version.digest
    assert content["completeness"]["filled"] + len(content["completeness"]["missing"]) == content["completeness"]["of"]


def test_json_that_says_too_much_does_not_fit(version: Any) -> None:
    content = json.loads(cards.as_json(cards.card(version)))
    content["sections"][0]["items"][0]["verdict"] = "good"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(content)
