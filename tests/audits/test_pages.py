"""Runs as pages: asking for one, watching it, reading its result, and what a refusal looks like."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse

from audits import checks, jobs, runs
from audits.models import Job, Run
from tests.personas import WHY
from trail.models import Entry

pytestmark = pytest.mark.django_db

LIST_QUERIES = 7  # session, user, roles, count and page; and room for the shell
TABLE = "y,decided,score,sex,age\n" + "".join(
    f"{'good' if row % 3 else 'bad'},{'good' if row % 4 else 'bad'},{(row % 10) / 10},{'fm'[row % 2]},{20 + row}\n"
    for row in range(80)
)


@pytest.fixture
def table(upload) -> Any:
    return upload(TABLE, target="y", prediction="decided", score="score", sensitive=["sex", "age"])


@pytest.fixture
def ask(page, developer, bare, table):
    """`ask(check, **fields)`: the answer to the form as the page sends it, with its defaults."""

    def send(check: str, user=developer, **fields: Any) -> Any:
        url = reverse("audits:run-new", args=[bare.pk])
        form = page(user).get(url, {"check": check, "dataset": table.pk}).context["form"]
        given = {field.html_name: field.value() for field in form if field.value() not in (None, False)}
        return page(user).post(url, given | {"check": check, "dataset": str(table.pk)} | fields)

    return send


@pytest.fixture
def done(ask, page, developer):
    """`done(check, **fields)`: the page of a run that was asked for and done."""

    def make(check: str, **fields: Any) -> str:
        asked = ask(check, **fields)
        assert asked.status_code == 302, asked.context["form"].errors
        jobs.work(Run.objects.get().job_id)
        return page(developer).get(asked.url).content.decode()

    return make


def run_of(bare, table, developer, check="performance", **params) -> Run:
    return runs.request(version=bare, check=check, dataset=table, params=params, actor=developer, reason=WHY)


def test_the_roles_of_the_dataset_fill_in_the_form(page, developer, bare, table):
    url = reverse("audits:run-new", args=[bare.pk])
    answer = page(developer).get(url, {"check": "fairness", "dataset": table.pk})
    form = answer.context["form"]
    assert form["target"].value() == "y"
    assert form["favourable"].value() == "good"
    assert form["prediction"].value() == "decided"
    assert form["score"].value() == ""
    assert form["sensitive"].value() == ["sex", "age"]
    assert "bins.age" in form.fields
    assert "bins.sex" not in form.fields
    assert checks.get("fairness").ANSWERS[:60] in answer.content.decode()


def test_another_target_offers_its_own_values(page, developer, bare, table):
    url = reverse("audits:run-new", args=[bare.pk])
    answer = page(developer).get(url, {"check": "fairness", "dataset": table.pk, "target": "sex"})
    assert [value for value, _ in answer.context["form"].fields["favourable"].choices] == ["", "f", "m"]


def test_before_there_is_a_choice_the_page_says_what_each_check_answers(page, developer, bare):
    html = page(developer).get(reverse("audits:run-new", args=[bare.pk])).content.decode()
    assert "Says how well the scores separate the two outcomes" in html
    assert "Start the check" not in html


def test_a_fairness_run_from_the_form_to_its_result(done):
    html = done("fairness", **{"bins.age": "40, 60"})
    assert Run.objects.get().params["bins"] == {"age": {"edges": [40.0, 60.0], "right": True}}
    assert "≤40" in html
    assert "&gt;60" in html
    assert "Equalized odds" in html
    assert '<svg xmlns="http://www.w3.org/2000/svg"' in html
    assert Run.objects.get().result_digest in html
    assert "80 rows" in html


def test_a_performance_run_from_the_form_to_its_result(done):
    html = done("performance", bins="5")
    result = runs.result(Run.objects.get())
    assert f">{result['auc']['value']:.3f}<" in html
    assert html.count("<svg xmlns") == 4
    assert "above all" in html
    assert f">{result['confusion']['tp']}</td>" in html


def test_a_value_that_could_not_be_measured_says_so(page, developer, bare, upload):
    constant = upload("y,s\n" + "good,0.5\nbad,0.5\n" * 10, target="y", score="s")
    run = run_of(bare, constant, developer)
    jobs.work(run.job_id)
    html = page(developer).get(reverse("audits:run-detail", args=[run.pk])).content.decode()
    tile = html.split('<span class="tile__label">AUC</span>')[1].split("</div>")[0]
    assert "not defined" in tile
    assert "every row has the same score" in html
    assert "ROC curve" not in html


def test_what_a_check_refuses_stands_beside_the_field_it_names(ask):
    refused = ask("fairness")
    assert refused.status_code == 422
    assert "cut it into bands" in " ".join(refused.context["form"].errors["sensitive"])
    refused = ask("fairness", **{"bins.age": "60, 40"})
    assert "must rise" in refused.context["form"].errors["bins.age"][0]
    refused = ask("fairness", **{"bins.age": "sixty"})
    assert "is no list of numbers" in refused.context["form"].errors["bins.age"][0]
    refused = ask("performance", favourable="", target="age")
    assert refused.context["form"].errors["target"]
    refused = ask("explainability")
    assert "has no artifact" in refused.content.decode()
    assert not Run.objects.exists()


def test_whoever_may_not_measure_sees_why_and_is_refused(page, auditor, bare, table, ask):
    shown = page(auditor).get(reverse("audits:run-new", args=[bare.pk]), {"check": "performance", "dataset": table.pk})
    assert 'id="start-why"' in shown.content.decode()
    refused = ask("performance", user=auditor)
    assert refused.status_code == 409
    assert "may not run checks" in refused.content.decode()
    assert Entry.objects.filter(type="trail.attempt.refused").exists()


def test_the_polling_stops_when_the_run_is_done(page, developer, bare, table):
    run = run_of(bare, table, developer)
    url = reverse("audits:run-progress", args=[run.pk])
    waiting = page(developer).get(url)
    assert f'hx-get="{url}"' in waiting.content.decode()
    assert "HX-Refresh" not in waiting
    jobs.work(run.job_id)
    ended = page(developer).get(url)
    assert "hx-get" not in ended.content.decode()
    assert ended["HX-Refresh"] == "true"


def test_a_run_is_cancelled_and_retried_from_its_page(page, developer, auditor, bare, table):
    run = run_of(bare, table, developer)
    detail, cancel, retry = (reverse(f"audits:run-{name}", args=[run.pk]) for name in ("detail", "cancel", "retry"))
    assert "may not run checks" in page(auditor).get(detail).content.decode()
    tried = page(auditor).post(cancel, follow=True).content.decode()
    assert "may not run checks" in tried
    assert Job.objects.get().status == "queued"
    client = page(developer)
    assert cancel in client.get(detail).content.decode()
    assert "The run is cancelled." in client.post(cancel, follow=True).content.decode()
    assert Job.objects.get().status == "cancelled"
    assert "only what is queued or running is cancelled" in client.post(cancel, follow=True).content.decode()
    assert retry in client.get(detail).content.decode()
    assert "waits for a worker again" in client.post(retry, follow=True).content.decode()
    assert Job.objects.get().status == "queued"


def test_a_failed_run_says_why_in_a_sentence(page, developer, bare, table):
    run = run_of(bare, table, developer)
    with default_storage.open(table.path, "wb") as file:
        file.write(b"altered")
    jobs.work(run.job_id)
    html = page(developer).get(reverse("audits:run-detail", args=[run.pk])).content.decode()
    assert "the file was altered after its upload" in html
    assert 'id="retry' not in html
    assert "Retry" in html


def test_an_explanation_adds_up_and_lists_its_reasons(page, developer, version, dataset):
    run = run_of(version, dataset, developer, check="explainability", rows=105, labels=["bad", "good"])
    jobs.work(run.job_id)
    client = page(developer)
    html = client.get(reverse("audits:run-detail", args=[run.pk])).content.decode()
    assert Job.objects.get(run=run).error == ""
    assert "The parts add up" in html
    assert "1–20 of 105 rows" in html
    assert "101–105 of 105 rows" in client.get(reverse("audits:run-detail", args=[run.pk]) + "?page=6").content.decode()


def test_an_outsider_finds_no_run(page, outsider, developer, bare, table):
    run = run_of(bare, table, developer)
    stranger = page(outsider)
    for name in ("detail", "progress"):
        assert stranger.get(reverse(f"audits:run-{name}", args=[run.pk])).status_code == 404
    for name in ("cancel", "retry"):
        assert stranger.post(reverse(f"audits:run-{name}", args=[run.pk])).status_code == 404
    assert stranger.get(reverse("audits:run-new", args=[bare.pk])).status_code == 404
    assert "No checks have run" in stranger.get("/runs/").content.decode()


def test_the_list_of_runs_is_filtered_by_its_url_and_bounded(
    page, developer, bare, table, django_assert_max_num_queries
):
    kept = run_of(bare, table, developer)
    cancelled = run_of(bare, table, developer, check="performance", bins=5)
    runs.cancel(run=cancelled, actor=developer, reason=WHY)
    for _ in range(8):
        run_of(bare, table, developer)
    client = page(developer)
    with django_assert_max_num_queries(LIST_QUERIES):
        assert "of 10 runs" in client.get("/runs/?q=credit").content.decode()
    html = client.get("/runs/?status=cancelled&check=performance").content.decode()
    assert str(cancelled.pk) in html
    assert str(kept.pk) not in html
    assert "No run meets these filters" in client.get("/runs/?check=fairness").content.decode()


@pytest.mark.parametrize("name", list(checks.ALL))
def test_every_check_can_be_asked_for_by_its_form(name, ask, page, developer, bare, table):
    """With its defaults it is queued, or refused with a sentence; every parameter has a field."""
    form = page(developer).get(reverse("audits:run-new", args=[bare.pk]), {"check": name, "dataset": table.pk})
    fields = set(form.context["form"].fields)
    missing = set(checks.get(name).SCHEMA["properties"]) - fields - {"bins"}
    assert not missing
    answer = ask(name)
    if answer.status_code == 302:
        assert Run.objects.get().check_name == name
    else:
        assert answer.status_code == 422
        assert all(len(error) > 20 for errors in answer.context["form"].errors.values() for error in errors)
        assert not Run.objects.exists()


def test_a_field_for_what_only_json_can_hold_says_where_it_is_wrong(ask):
    answer = ask("drift", edges='{"score": [0.5')
    assert answer.status_code == 422
    assert "This is not JSON (line 1, column" in answer.context["form"].errors["edges"][0]


def test_another_dataset_is_chosen_among_those_that_may_be_seen(page, developer, outsider, bare, table, upload):
    other = upload(TABLE.replace("f,", "m,"), target="y", score="score")
    form = (
        page(developer)
        .get(reverse("audits:run-new", args=[bare.pk]), {"check": "drift", "dataset": table.pk})
        .context["form"]
    )
    assert {str(found.pk) for found in form.fields["reference"].queryset} == {str(table.pk), str(other.pk)}


def test_the_default_set_is_started_from_its_button(page, developer, bare, table):
    html = page(developer).get(reverse("audits:run-new", args=[bare.pk]), {"dataset": table.pk}).content.decode()
    assert "Start the default check set" in html
    answer = page(developer).post(reverse("audits:run-set", args=[bare.pk]), {"dataset": table.pk}, follow=True)
    said = answer.content.decode()
    assert "Queued: " in said
    assert "Not started, because their defaults don’t fit." in said
    assert Run.objects.filter(check_name="performance").count() == 1


def test_a_set_without_a_dataset_is_refused(page, developer, bare):
    answer = page(developer).post(reverse("audits:run-set", args=[bare.pk]), {})
    assert answer.status_code == 422
    assert "Choose a dataset first" in answer.content.decode()
