from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from registry import inventory, queries
from registry.models import RegisteredModel, Version
from tests.conftest import GERMAN
from tests.personas import WHY
from trail.actors import SYSTEM
from trail.models import Entry

pytestmark = pytest.mark.django_db
V1 = "/api/v1"


def german() -> SimpleUploadedFile:
    return SimpleUploadedFile("germancredit.csv", GERMAN.read_bytes(), "text/csv")


def file(data: bytes, name="model.skops") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, "application/octet-stream")


def test_a_developer_registers_a_model_with_a_name_alone(api, developer):
    answer = api(developer).post(f"{V1}/models/", {"name": "Churn", "purpose": "Finds who leaves."})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["slug"], made["unit"], made["owner"], made["latest_version"]) == ("churn", "bank/retail", None, None)
    assert made["developer"]["email"] == developer.email
    assert answer.headers["Location"] == made["url"] == f"http://testserver{V1}/models/churn/"
    assert Entry.objects.order_by("-pk")[0].reason == "Over the API"


def test_problems_are_problems(api, developer, model):
    client = api(developer)
    for body, status, sentence in [
        ({"name": "Credit scorecard"}, 409, "“Credit scorecard” in Retail has the model ID"),
        ({}, 422, "name is needed"),
        ({"name": "A", "unit": "elsewhere"}, 422, "There is no unit elsewhere"),
        ({"name": "A", "unit": "bank/risk"}, 422, "There is no unit bank/risk"),
        ({"name": "A", "colour": 1}, 422, "no inventory field “colour”"),
        ({"name": "A", "slug": "new"}, 422, "is reserved"),
        ({"name": "A", "slug": "A b"}, 422, "is no model ID; write it like a-b"),
        ([1], 422, "must be a JSON object"),
    ]:
        answer = client.post(f"{V1}/models/", body)
        assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
        assert sentence in answer.json()["detail"]
    broken = client.generic("POST", f"{V1}/models/", '{"name": ', content_type="application/json")
    assert broken.status_code == 400
    infinite = client.generic("POST", f"{V1}/models/", '{"name": "A", "custom": NaN}', content_type="application/json")
    assert infinite.status_code == 400


def test_patch_changes_what_it_names(api, owner, model):
    answer = api(owner).patch(f"{V1}/models/{model.slug}/", {"vendor": "ACME", "developer": None, "reason": "new deal"})
    assert (answer.status_code, answer.json()["vendor"], answer.json()["developer"]) == (200, "ACME", None)
    assert answer.json()["purpose"] == model.purpose
    assert Entry.objects.order_by("-pk")[0].reason == "new deal"


def test_what_is_elsewhere_does_not_exist(api, outsider, model, version, dataset):
    client = api(outsider)
    for path in (
        f"models/{model.slug}/", f"models/{model.slug}/versions/", f"versions/{version.pk}/", f"datasets/{dataset.pk}/",
        f"versions/{version.pk}/artifact/", f"versions/{version.pk}/card-sections/factors/",
    ):  # fmt: skip
        assert client.get(f"{V1}/{path}").status_code == 404, path
    assert client.patch(f"{V1}/models/{model.slug}/", {"vendor": "x"}).status_code == 404
    assert client.post(f"{V1}/models/{model.slug}/versions/", {}).status_code == 404
    assert client.put(f"{V1}/versions/{version.pk}/card-sections/factors/", {"text": "x"}).status_code == 404
    for path in ("models", "datasets", "lineage", "environments", "fields"):
        assert client.get(f"{V1}/{path}/").json()["count"] == 0, path


def test_an_auditor_reads_and_is_refused_to_write(api, auditor, model, version):
    client = api(auditor)
    assert client.get(f"{V1}/models/{model.slug}/").status_code == 200
    for answer in (
        client.post(f"{V1}/models/", {"name": "A"}),
        client.patch(f"{V1}/models/{model.slug}/", {"vendor": "x"}),
        client.post(f"{V1}/models/{model.slug}/versions/", {}),
        client.put(f"{V1}/versions/{version.pk}/card-sections/factors/", {"text": "x"}),
        client.post(f"{V1}/fields/", {"name": "colour", "kind": "text"}),
    ):
        assert answer.status_code == 409
        assert answer.json()["objections"][0]["code"] == "may_not_register"
    refused = client.post(f"{V1}/environments/", {"slug": "production"}).json()["objections"]
    assert refused[0]["code"] == "may_not_administer"
    assert Version.objects.count() == 1


def test_a_token_that_only_reads_can_t_write(api, developer):
    assert api(developer, scopes=("read",)).post(f"{V1}/models/", {"name": "A"}).status_code == 403


@pytest.mark.parametrize("style", ["fields", "metadata", "data", "json", "file part"])
def test_a_version_comes_as_a_form_in_every_style(api, developer, model, dataset, version, scorecard_file, style):
    said = {
        "label": "challenger",
        "facts": {"C": 0.5},
        "trained_on": [str(dataset.pk)],
        "derived_from": str(version.pk),
    }
    match style:
        case "fields":
            parts = said | {"facts": json.dumps(said["facts"]), "digest": version.digest}
        case "file part":
            parts = {"metadata": SimpleUploadedFile("m.json", json.dumps(said).encode(), "application/json")}
        case _:
            parts = {style: json.dumps(said)}
    form = parts | {"artifact": file(scorecard_file)}
    answer = api(developer).post(f"{V1}/models/{model.slug}/versions/", form, format="multipart")
    assert answer.status_code == 201, answer.json()
    made = answer.json()
    assert (made["number"], made["label"], made["stage"], made["facts"]) == (2, "challenger", "development", {"C": 0.5})
    assert made["artifact"] == {
        "digest": version.digest, "size": len(scorecard_file), "format": "skops", "file_name": "scorecard.skops",
    }  # fmt: skip
    assert {(edge["kind"], edge["from"]["id"]) for edge in made["lineage"]} == {
        ("trained_on", str(dataset.pk)), ("derived_from", str(version.pk)),
    }  # fmt: skip


def test_a_version_without_an_artifact_comes_as_json(api, developer, model):
    answer = api(developer).post(f"{V1}/models/{model.slug}/versions/", {"notes": "vendor scores"})
    assert (answer.status_code, answer.json()["artifact"], answer.json()["artifact_url"]) == (201, None, None)
    assert api(developer).get(f"{V1}/versions/{answer.json()['id']}/artifact/").status_code == 404


def test_bad_versions_are_refused_whole(api, developer, model, scorecard_file):
    client, url = api(developer), f"{V1}/models/{model.slug}/versions/"
    zero = "sha256:" + "0" * 64
    for parts, sentence in [
        ({"artifact": file(b"\x80\x04K\x01.", "m.pkl")}, "pickle"),
        ({"artifact": file(scorecard_file), "digest": zero}, f"not {zero}"),
        ({"trained_on": "00000000-0000-0000-0000-000000000000"}, "There is no dataset 00000000"),
        ({"derived_from": "x"}, "There is no version x"),
        ({"facts": '{"a": NaN}'}, "facts is not JSON: NaN is no JSON number"),
        ({"facts": "[1]"}, "facts must be a JSON object"),
        ({"stage": "production"}, "There is no field “stage” here"),
        ({"metadata": "{"}, "metadata is not JSON"),
        ({"a": file(b"x"), "b": file(b"y")}, "Several files came (a, b)"),
    ]:
        answer = client.post(url, parts, format="multipart")
        assert (answer.status_code, sentence in answer.json()["detail"]) == (422, True), answer.json()
    assert not Version.objects.exists()


def test_an_artifact_comes_back_byte_for_byte_as_an_attachment(api, auditor, version, scorecard_file):
    answer = api(auditor).get(f"{V1}/versions/{version.pk}/artifact/")
    assert b"".join(answer.streaming_content) == scorecard_file
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == 'attachment; filename="scorecard.skops"'
    entry = Entry.objects.get(type="registry.artifact.downloaded")
    assert (entry.subject_id, entry.content["facts"]["digest"]) == (str(version.pk), version.digest)


def test_a_card_section_is_read_and_written(api, developer, version):
    client, url = api(developer), f"{V1}/versions/{version.pk}/card-sections/factors/"
    assert client.get(url).json() | {"hint": ""} == {
        "section": "factors", "title": "Factors", "hint": "", "text": "", "written_by": None, "written_at": None,
    }  # fmt: skip
    assert client.put(url, {"text": "Age and sex."}).json()["text"] == "Age and sex."
    assert client.get(url).json()["written_by"]["email"] == developer.email
    unknown = client.get(url.replace("factors", "fun"))
    assert (unknown.status_code, "it has model_details" in unknown.json()["detail"]) == (404, True)


@pytest.mark.parametrize("name", ["columns", "roles", "column_roles"])
def test_a_dataset_is_uploaded(api, developer, name):
    roles = {"creditability": "target", "age_in_years": ["feature", "sensitive"]}
    form = {"file": german(), "name": "German credit", name: json.dumps(roles), "default_role": "feature"}
    answer = api(developer).post(f"{V1}/datasets/", form | {"licence": "CC BY 4.0, UCI"}, format="multipart")
    assert answer.status_code == 201, answer.json()
    made = answer.json()
    assert (made["row_count"], made["format"], made["unit"], made["licence"]) == (
        1000,
        "csv",
        "bank/retail",
        "CC BY 4.0, UCI",
    )
    assert {column["name"]: column["roles"] for column in made["columns"]}["telephone"] == ["feature"]
    shown = api(developer).get(made["url"].removeprefix("http://testserver"))
    assert shown.json() == made
    listed = api(developer).get(f"{V1}/datasets/", {"q": "german", "unit": "bank"}).json()
    assert [row["id"] for row in listed["results"]] == [made["id"]]


def test_bad_datasets_are_refused_whole(api, developer, dataset, settings):
    client = api(developer)
    for parts, status, sentence in [
        (
            {"file": german(), "name": "G", "columns": '{"agee": "feature"}'},
            422,
            "germancredit.csv has no column “agee”",
        ),
        ({"file": german(), "name": "G", "columns": "[]"}, 422, "columns must be a JSON object"),
        ({"file": german(), "name": "G", "columns": "{"}, 422, "columns is not JSON"),
        ({"file": file(b"a;b\n1;2\n", "x.csv"), "name": "G"}, 422, "x.csv, line 1: the header is one column"),
        ({"file": german()}, 422, "name is needed"),
        ({"name": "G"}, 422, "No file came"),
        ({"file": german(), "name": "German credit"}, 409, str(dataset.pk)),
    ]:
        answer = client.post(f"{V1}/datasets/", parts, format="multipart")
        assert (answer.status_code, sentence in answer.json()["detail"]) == (status, True), answer.json()
    settings.MAX_UPLOAD_BYTES = 1000
    large = client.post(f"{V1}/datasets/", {"file": german(), "name": "G"}, format="multipart")
    assert large.status_code == 413
    assert queries.datasets(developer).count() == 1


def test_lineage_environments_fields_and_units(api, bank, owner, developer, administrator, model):
    inventory.register(unit=bank.retail, name="Pricing", fields={}, actor=owner, reason=WHY)
    client = api(owner)
    edge = client.post(f"{V1}/lineage/", {"kind": "feeds", "from": "credit-scorecard", "to": "pricing"})
    assert (edge.status_code, edge.json()["sentence"]) == (201, "Credit scorecard feeds Pricing")
    assert edge.json()["to"]["type"] == "model"
    assert client.get(f"{V1}/lineage/", {"model": "pricing"}).json()["count"] == 1
    circle = client.post(f"{V1}/lineage/", {"kind": "feeds", "from": "pricing", "to": str(model.pk)})
    assert (circle.status_code, "circle" in circle.json()["detail"]) == (422, True)
    assert client.post(f"{V1}/lineage/", {"kind": "eats"}).status_code == 422

    opened = api(administrator).post(f"{V1}/environments/", {"slug": "production", "unit": "bank"})
    assert (opened.status_code, opened.json()["name"]) == (201, "Production")
    assert [row["slug"] for row in client.get(f"{V1}/environments/").json()["results"]] == ["production"]
    assert api(administrator).post(f"{V1}/environments/", {"slug": "production", "unit": "bank"}).status_code == 409

    added = client.post(f"{V1}/fields/", {"name": "colour", "kind": "choice", "choices": ["red"]})
    assert (added.status_code, added.json()["label"]) == (201, "colour")
    set_ = client.patch(f"{V1}/models/pricing/", {"custom": {"colour": "red"}})
    assert set_.json()["custom"] == {"colour": "red"}
    assert [row["path"] for row in client.get(f"{V1}/units/").json()["results"]] == ["bank/retail"]
    recorded = {"registry.lineage.added", "registry.environment.opened", "registry.field.added"}
    assert recorded <= set(Entry.objects.values_list("type", flat=True))

    desk = {"name": "Desk", "parent": "bank/retail", "reason": "A new desk"}
    assert client.post(f"{V1}/units/", desk).status_code == 409
    made = api(administrator).post(f"{V1}/units/", desk)
    assert (made.status_code, made.json()["path"]) == (201, "bank/retail/desk")


def test_the_inventory_is_filtered_and_sorted(api, bank, owner, developer, version):
    other = inventory.register(
        unit=bank.retail, name="Pricing", fields={"vendor": "ACME", "origin": "vendor", "lifecycle": "Pilot"},
        actor=owner, reason=WHY,
    )  # fmt: skip
    client = api(owner)

    def found(**asked):
        return [row["slug"] for row in client.get(f"{V1}/models/", asked).json()["results"]]

    both, first, second = ["credit-scorecard", "pricing"], ["credit-scorecard"], ["pricing"]
    for asked, slugs in [
        ({}, both),
        ({"ordering": "-name"}, both[::-1]),
        ({"ordering": "version"}, both),
        ({"q": "consumer decides"}, first),
        ({"q": "acme pricing"}, second),
        ({"q": "acme scorecard"}, []),
        ({"tier": "none"}, both),
        ({"tier": "1"}, []),
        ({"stage": "development"}, first),
        ({"stage": "none"}, second),
        ({"unit": "bank"}, both),
        ({"unit": "bank/ret"}, []),
        ({"lifecycle": "Pilot"}, second),
        ({"lifecycle": "none"}, first),
        ({"owner": owner.email}, first),
        ({"owner": "none"}, second),
        ({"origin": "vendor"}, second),
    ]:
        assert found(**asked) == slugs, asked
    for asked in ({"tier": "5"}, {"stage": "live"}, {"origin": "x"}, {"ordering": "colour"}):
        assert client.get(f"{V1}/models/", asked).status_code == 422
    assert queries.lifecycles(owner) == ["Pilot"]
    assert other.slug == "pricing"


def test_the_list_of_models_costs_the_same_at_any_length(api, bank, owner, version, django_assert_num_queries):
    client = api(owner)
    for count in (1, 200):
        for number in range(RegisteredModel.objects.count(), count):
            name = f"Model {number}"
            inventory.register(unit=bank.retail, name=name, fields={"owner": owner}, actor=SYSTEM, reason=WHY)
        with django_assert_num_queries(4):  # the token with its person, the grants, the count, the page
            answer = client.get(f"{V1}/models/", {"limit": 500}).json()
        assert (answer["count"], len(answer["results"])) == (count, count)
    assert len(client.get(f"{V1}/models/").json()["results"]) == 50
