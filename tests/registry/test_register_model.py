from __future__ import annotations

import math
from typing import Any

import pytest

from registry import inventory
from registry.models import RegisteredModel
from tests.personas import WHY
from trail.actors import SYSTEM
from trail.errors import BadInput, Refused
from trail.models import Entry

pytestmark = pytest.mark.django_db


def last() -> dict[str, Any]:
    return Entry.objects.order_by("-pk")[0].content


def register(bank, actor, name="Churn model", **fields):
    return inventory.register(unit=bank.retail, name=name, fields=fields, actor=actor, reason=WHY)


def test_registering_states_every_field_that_says_something(bank, owner):
    model = register(bank, owner, purpose="Finds who leaves.", personal_data=True)
    assert model.slug == "churn-model"
    said = last()
    assert said["type"] == "registry.model.registered"
    assert said["unit"] == "bank/retail"
    assert said["changes"]["purpose"] == [None, "Finds who leaves."]
    assert said["changes"]["personal_data"] == [None, True]
    assert "vendor" not in said["changes"]


def test_the_same_name_again_names_the_model_that_has_it(bank, owner, model):
    with pytest.raises(
        BadInput, match="“Credit scorecard” in Retail has the model ID credit-scorecard already"
    ) as clash:
        register(bank, owner, "Credit scorecard")
    assert clash.value.status == 409


def test_a_clash_with_a_model_one_may_not_see_does_not_name_it(model, outsider):
    with pytest.raises(BadInput) as clash:
        inventory.register(unit=outsider.unit, name="Credit scorecard", fields={}, actor=outsider, reason=WHY)
    assert "Retail" not in clash.value.sentence


def test_a_name_without_latin_letters_still_gets_an_id(bank, owner):
    assert register(bank, owner, "信用评分").slug.startswith("model-")


def test_an_auditor_may_not_register_and_the_attempt_is_recorded(bank, auditor):
    with pytest.raises(Refused, match="may not register"):
        register(bank, auditor)
    assert not RegisteredModel.objects.exists()
    assert last()["facts"]["codes"] == ["may_not_register"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": ""}, "name is needed"),
        ({"name": "x" * 301}, "name holds 301 characters; at most 300 fit"),
        ({"purpos": "x"}, "no inventory field “purpos”; did you mean “purpose”"),
        ({"tier": 1}, "no inventory field “tier”"),
        ({"origin": "martian"}, "origin can’t be “martian”; choose from internal"),
        ({"personal_data": "maybe"}, "personal_data is yes or no"),
        ({"next_review_on": "31/12/2026"}, "next_review_on is a date such as 2026-03-31, not “31/12/2026”"),
        ({"review_frequency_months": 1.5}, "a whole number"),
        ({"review_frequency_months": math.nan}, "a number such as"),
        ({"owner": "nobody@bank.example"}, "Nobody with a role in bank/retail has the e-mail address"),
        ({"owner": ["x"]}, "Nobody with a role"),
        ({"purpose": 7}, "purpose must be text"),
        ({"purpose": "a\0b"}, "can’t be stored"),
        ({"purpose": "\ud800"}, "can’t be stored"),
        ({"purpose": "x" * 10_001}, "at most 10,000 fit"),
        ({"custom": {"colour": "red"}}, "no custom field “colour”"),
        ({"custom": []}, "custom must be an object"),
    ],
)
def test_bad_fields_are_refused_by_name(bank, owner, fields, sentence):
    rest = {name: value for name, value in fields.items() if name != "name"}
    with pytest.raises(BadInput) as bad:
        register(bank, owner, fields.get("name", "A"), **rest)
    assert sentence in bad.value.sentence
    assert not RegisteredModel.objects.exists()


def test_an_owner_from_another_root_is_nobody_here(bank, owner, outsider):
    with pytest.raises(BadInput, match="Nobody with a role in bank/retail"):
        register(bank, owner, owner=outsider.email)


def test_updating_states_old_and_new_of_what_changed_alone(model, developer):
    changed = inventory.update(
        model=model, fields={"vendor": "ACME", "origin": "Bought from a vendor", "purpose": model.purpose},
        actor=developer, reason="the vendor changed",
    )  # fmt: skip
    assert changed.origin == "vendor"
    assert last()["changes"] == {"vendor": ["", "ACME"], "origin": ["internal", "vendor"]}
    assert last()["reason"] == "the vendor changed"


def test_more_change_than_an_entry_holds_is_refused_whole(model, owner):
    fields = dict.fromkeys(
        ["assumptions", "limitations", "outputs", "adjustments", "data_sources", "purpose"], "é" * 9000
    )
    with pytest.raises(BadInput, match="save them in several steps"):
        inventory.update(model=model, fields=fields, actor=owner, reason=WHY)
    model.refresh_from_db()
    assert model.limitations == ""


def add(unit, actor, **given):
    given = {"name": "colour", "label": "Colour", "kind": "choice", "choices": ["red", "green"]} | given
    return inventory.add_field(unit=unit, **given, actor=actor, reason=WHY)


def test_a_units_field_is_there_for_the_units_below(bank, model, owner):
    add(bank.root, SYSTEM)
    inventory.update(model=model, fields={"custom": {"colour": "Red"}}, actor=owner, reason=WHY)
    model.refresh_from_db()
    assert model.custom == {"colour": "red"}
    assert last()["changes"] == {"custom.colour": [None, "red"]}
    inventory.update(model=model, fields={"custom": {"colour": None}}, actor=owner, reason=WHY)
    model.refresh_from_db()
    assert model.custom == {}


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("number", "12.50", 12.5),
        ("number", 3, 3),
        ("date", "2026-03-31", "2026-03-31"),
        ("boolean", "Yes", True),
        ("url", "https://example.org/x", "https://example.org/x"),
        ("text", " a\r\nb ", "a\nb"),
        ("text", "", None),
    ],
)
def test_custom_values_are_kept_by_their_kind(bank, model, owner, kind, given, kept):
    add(bank.root, SYSTEM, kind=kind, choices=[])
    inventory.update(model=model, fields={"custom": {"colour": given}}, actor=owner, reason=WHY)
    model.refresh_from_db()
    assert model.custom.get("colour") == kept


@pytest.mark.parametrize(
    ("kind", "given", "sentence"),
    [
        ("number", "twelve", "custom.colour is a number"),
        ("number", True, "custom.colour is a number"),
        ("date", "soon", "custom.colour is a date"),
        ("boolean", "perhaps", "custom.colour is yes or no"),
        ("url", "javascript:alert(1)", "custom.colour is a web address"),
        ("choice", "blue", "custom.colour can’t be “blue”; choose from red, green"),
    ],
)
def test_custom_values_of_the_wrong_kind_are_refused(bank, model, owner, kind, given, sentence):
    add(bank.root, SYSTEM, kind=kind, choices=["red", "green"] if kind == "choice" else [])
    with pytest.raises(BadInput) as bad:
        inventory.update(model=model, fields={"custom": {"colour": given}}, actor=owner, reason=WHY)
    assert sentence in bad.value.sentence


@pytest.mark.parametrize(
    ("given", "status", "sentence"),
    [
        ({"name": "vendor"}, 422, "can’t name a custom field"),
        ({"name": "?!", "label": "?!"}, 422, "can’t name a custom field"),
        ({"kind": "colour"}, 422, "no kind of field"),
        ({"choices": []}, 422, "lists its choices"),
        ({"kind": "text"}, 422, "lists its choices"),
        ({"name": "colour"}, 409, "Bank has a field “colour”"),
    ],
)
def test_a_field_that_can_t_be_is_refused(bank, given, status, sentence):
    add(bank.root, SYSTEM)
    with pytest.raises(BadInput) as bad:
        add(bank.retail, SYSTEM, **({"name": "shade"} | given))
    assert (bad.value.status, sentence in bad.value.sentence) == (status, True)
