"""The inventory and the datasets as pages: who sees what, what a refusal looks like, and what a list may cost."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from people.models import User
from registry import datasets, inventory, lineage, versions
from registry.events import Event
from registry.models import Dataset, Lineage, RegisteredModel, Version
from tests.conftest import GERMAN
from tests.personas import WHY
from trail.models import Entry

pytestmark = pytest.mark.django_db

LIST_QUERIES = 12  # session, user, roles, four filters, two sums, count and page; and room for the shell
PICKLE = b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94."


@pytest.fixture
def portfolio(bank, owner) -> None:
    for number in range(60):
        fields = {"lifecycle": "Retired" if number % 2 else "In use", "owner": owner if number < 10 else None}
        inventory.register(unit=bank.retail, name=f"Model {number:02}", fields=fields, actor=owner, reason=WHY)


def details(model: RegisteredModel, dataset: Dataset) -> dict[str, str]:
    return {
        "models": reverse("registry:model-list"),
        "model": reverse("registry:model-detail", args=[model.slug]),
        "edit": reverse("registry:model-edit", args=[model.slug]),
        "version": reverse("registry:version-new", args=[model.slug]),
        "datasets": reverse("registry:dataset-list"),
        "dataset": reverse("registry:dataset-detail", args=[dataset.pk]),
        "upload": reverse("registry:dataset-new"),
        "register": reverse("registry:model-new"),
    }


@pytest.mark.parametrize("name", ["models", "model", "edit", "version", "datasets", "dataset", "upload", "register"])
def test_whoever_has_a_role_there_reads_every_page(page, owner, auditor, *, model, version, dataset, name):
    for reader in (owner, auditor):
        answer = page(reader).get(details(model, dataset)[name])
        assert answer.status_code == 200


def test_for_an_outsider_the_things_do_not_exist(page, outsider, model, dataset):
    pages = details(model, dataset)
    stranger = page(outsider)
    for name in ("model", "edit", "version", "dataset"):
        assert stranger.get(pages[name]).status_code == 404
        assert stranger.post(pages[name], {"name": "x", "reason": "x"}).status_code in {404, 405}
    assert model.name not in stranger.get(pages["models"]).content.decode()
    assert dataset.name not in stranger.get(pages["datasets"]).content.decode()


def test_a_list_of_many_models_costs_no_more_queries_than_one_of_few(
    page, owner, portfolio, django_assert_max_num_queries
):
    client = page(owner)
    with django_assert_max_num_queries(LIST_QUERIES):
        shown = client.get("/models/")
    assert "1–50 of 60 models" in shown.content.decode()
    with django_assert_max_num_queries(LIST_QUERIES):
        client.get("/models/?q=model&lifecycle=Retired&sort=-name&page=2")


def test_the_filters_stand_in_the_url_and_each_can_be_taken_away(page, owner, portfolio):
    html = page(owner).get("/models/?q=model&lifecycle=Retired&sort=-name").content.decode()
    assert "1–30 of 30 models" in html
    assert html.index("Model 59") < html.index("Model 01")
    assert 'href="?lifecycle=Retired&amp;sort=-name"' in html
    assert 'href="?q=model&amp;sort=-name"' in html
    assert "Model 58" not in html
    unowned = page(owner).get("/models/?owner=none").content.decode()
    assert "1–50 of 50 models" in unowned


def test_a_filter_or_a_sort_that_does_not_exist_counts_as_not_given(page, owner, portfolio):
    assert "of 60 models" in page(owner).get("/models/?tier=9&sort=nonsense").content.decode()


def test_an_empty_list_says_what_would_fill_it(page, owner):
    assert "No models yet" in page(owner).get("/models/").content.decode()
    assert "No model meets these filters" in page(owner).get("/models/?q=zebra").content.decode()
    assert "No datasets yet" in page(owner).get("/datasets/").content.decode()


def test_a_model_shows_its_live_version_its_lineage_and_its_trail(
    page, owner, *, developer, bank, model, version, dataset
):
    upstream = inventory.register(unit=bank.retail, name="Income estimator", fields={}, actor=owner, reason=WHY)
    lineage.connect(kind=Lineage.Kind.FEEDS, source=upstream, target=model, actor=owner, reason=WHY)
    lineage.connect(kind=Lineage.Kind.TRAINED_ON, source=dataset, target=version, actor=developer, reason=WHY)
    html = page(owner).get(reverse("registry:model-detail", args=[model.slug])).content.decode()
    assert version.digest in html
    assert "Income estimator" in html
    assert f"/datasets/{dataset.pk}/" in html
    assert f"?subject={model.pk}" in html
    assert "registered the model Credit scorecard" in html


def test_custom_fields_are_asked_by_their_kind_and_shown(page, owner, bank, model):
    for name, kind, choices in (
        ("reviewed", "date", ()),
        ("criticality", "choice", ("High", "Low")),
        ("eu", "boolean", ()),
    ):
        inventory.add_field(
            unit=bank.retail, name=name, label=name.title(), kind=kind, choices=choices, actor=owner, reason=WHY
        )
    url = reverse("registry:model-edit", args=[model.slug])
    form = page(owner).get(url)
    assert 'type="date" name="custom.reviewed"' in form.content.decode()
    given = current(form) | {
        "custom.reviewed": "2026-03-31",
        "custom.criticality": "High",
        "custom.eu": "yes",
        "reason": WHY,
    }
    assert page(owner).post(url, given).status_code == 302
    assert RegisteredModel.objects.get(pk=model.pk).custom == {
        "reviewed": "2026-03-31",
        "criticality": "High",
        "eu": True,
    }
    assert "31 Mar 2026" in page(owner).get(reverse("registry:model-detail", args=[model.slug])).content.decode()


def current(response: Any) -> dict[str, Any]:
    """What the form on the page would send back unchanged."""
    form = response.context["form"]
    return {field.html_name: "" if field.value() is None else field.value() for field in form}


def test_an_edit_changes_only_what_was_changed_and_needs_a_reason(page, owner, model):
    url = reverse("registry:model-edit", args=[model.slug])
    given = current(page(owner).get(url)) | {"limitations": "Not for revolving credit."}
    refused = page(owner).post(url, given)
    assert refused.status_code == 422
    assert "This field is required." in refused.content.decode()
    assert page(owner).post(url, given | {"reason": "Found in validation"}).status_code == 302
    entry = Entry.objects.get(type=Event.MODEL_UPDATED.value)
    assert [change["field"] for change in entry.changes] == ["limitations"]
    assert entry.reason == "Found in validation"


def test_whoever_may_not_edit_sees_why_and_is_refused_in_the_form(page, auditor, model):
    url = reverse("registry:model-edit", args=[model.slug])
    shown = page(auditor).get(url)
    assert "Ada Auditor (Auditor here) may not register" in shown.content.decode()
    assert 'id="save-why"' in shown.content.decode()
    refused = page(auditor).post(url, current(shown) | {"reason": "I try"})
    assert refused.status_code == 409
    assert "may not register" in refused.content.decode()


def test_a_model_is_registered_from_the_page_and_a_taken_name_is_refused_there(page, owner, bank, model):
    url = reverse("registry:model-new")
    given = {"unit": bank.retail.pk, "name": "Fraud monitor", "origin": "internal", "functioning": "unknown"}
    assert page(owner).post(url, given).url == "/models/fraud-monitor/"
    refused = page(owner).post(url, given | {"name": model.name})
    assert refused.status_code == 409
    assert "has the model ID credit-scorecard already" in refused.content.decode()


def test_with_several_units_the_unit_is_asked_first(page, bank, risk_officer):
    from people import membership
    from people.roles import Role
    from trail.actors import SYSTEM

    membership.grant(user=risk_officer, role=Role.OWNER, unit=bank.root, actor=SYSTEM, reason=WHY)
    asked = page(risk_officer).get("/models/new/").content.decode()
    assert "First, the unit that answers for it." in asked
    assert 'name="purpose"' not in asked
    assert 'name="purpose"' in page(risk_officer).get(f"/models/new/?unit={bank.retail.pk}").content.decode()


def test_a_version_is_registered_from_the_page(page, developer, model, dataset, scorecard_file):
    file = SimpleUploadedFile("scorecard.skops", scorecard_file)
    given = {"artifact": file, "label": "1.0", "trained_on": [dataset.pk]}
    answer = page(developer).post(reverse("registry:version-new", args=[model.slug]), given)
    made = Version.objects.get()
    assert answer.url == reverse("governance:version-detail", args=[made.pk])
    assert made.label == "1.0"
    assert made.sources.get().from_dataset == dataset


@pytest.mark.parametrize(
    ("content", "digest", "place", "sentence"),
    [
        (PICKLE, "", "artifact", "is a Python pickle"),
        (b"", "", "artifact", "model.pkl"),
        (PICKLE, f"sha256:{'0' * 64}", "digest", "it was altered or cut off on the way"),
    ],
)
def test_a_file_that_is_refused_says_why_beside_its_field(page, developer, model, *, content, digest, place, sentence):
    given = {"artifact": SimpleUploadedFile("model.pkl", content), "digest": digest}
    refused = page(developer).post(reverse("registry:version-new", args=[model.slug]), given)
    assert refused.status_code == 422
    assert sentence in " ".join(refused.context["form"].errors[place])
    assert not Version.objects.exists()


def test_a_file_that_is_too_large_is_refused_with_413(page, developer, model, settings):
    settings.MAX_UPLOAD_BYTES = 10
    given = {"artifact": SimpleUploadedFile("model.onnx", b"x" * 11)}
    refused = page(developer).post(reverse("registry:version-new", args=[model.slug]), given)
    assert refused.status_code == 413
    assert "can be uploaded" in refused.context["form"].errors["artifact"][0]


def upload(page: Any, user: User, content: bytes, **more: str) -> Any:
    given = {"unit": user.unit_id, "name": "Table", "file": SimpleUploadedFile("table.csv", content)} | more
    return page(user).post(reverse("registry:dataset-new"), given)


def test_a_dataset_is_uploaded_with_a_role_a_line(page, developer):
    answer = upload(
        page, developer, b"a=b,age,y\n1,30,yes\n2,40,no\n", roles="a=b = feature\nage = feature, sensitive\n\ny=target"
    )
    made = Dataset.objects.get()
    assert answer.url == reverse("registry:dataset-detail", args=[made.pk])
    assert [column["roles"] for column in made.columns] == [["feature"], ["feature", "sensitive"], ["target"]]


@pytest.mark.parametrize(
    ("content", "roles", "place", "sentence"),
    [
        (b"a,b\n1,2\n3\n", "", "file", "line 3"),
        (b"a;b\n1;2\n", "", "file", "Save it with commas"),
        (b"a,b\n1,2\n", "c = target", "file", "has no column “c”"),
        (b"a,b\n1,2\n", "a = king", "file", "“king” is no role"),
        (b"a,b\n1,2\n", "a target", "roles", "write a column, “=” and its roles"),
        (b"a,b\n1,2\n", "a = target\na = score", "roles", "has roles already"),
    ],
)
def test_a_table_that_is_refused_says_where(page, developer, *, content, roles, place, sentence):
    refused = upload(page, developer, content, roles=roles)
    assert refused.status_code == 422
    assert sentence in " ".join(refused.context["form"].errors[place])
    assert not Dataset.objects.exists()


def test_a_dataset_shows_what_is_missing_and_where(page, developer, bank):
    made = datasets.upload(
        unit=bank.retail,
        name="Gaps",
        file=io.BytesIO(b"a,b\n1,x\n,y\n3,z\n"),
        file_name="gaps.csv",
        roles={"a": "feature"},
        actor=developer,
        reason=WHY,
    )
    html = page(developer).get(reverse("registry:dataset-detail", args=[made.pk])).content.decode()
    assert "first in line 3" in html
    assert made.digest in html


def test_a_version_shows_beside_the_dataset_it_was_trained_on(page, developer, model, dataset):
    made = versions.register(model=model, artifact=None, trained_on=[dataset], actor=developer, reason=WHY)
    html = page(developer).get(reverse("registry:dataset-detail", args=[dataset.pk])).content.decode()
    assert reverse("governance:version-detail", args=[made.pk]) in html
    assert "was trained on it" in html


def test_the_german_file_is_read_whole(page, developer):
    header = GERMAN.read_text().splitlines()[0].split(",")
    answer = upload(page, developer, GERMAN.read_bytes(), roles="\n".join(f"{name} = feature" for name in header))
    assert answer.status_code == 302
    assert Dataset.objects.get().row_count == 1000
