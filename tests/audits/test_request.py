"""What the API takes, and what it refuses: a sentence with file, column and line, and no run left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from audits import checks, jobs, runs
from audits.models import Job, Run
from people.models import User
from registry.models import Dataset, Version
from tests.personas import WHY
from trail.errors import Refused
from trail.models import Entry

pytestmark = pytest.mark.django_db

TABLE = """id,happened,said,chance,sex,wage,note
1,yes,yes,0.9,f,10.5,a
2,no,yes,0.8,m,20,b
3,yes,no,0.3,f,,c
4,no,no,0.2,m,40,d
5,yes,yes,0.7,x,50,e
"""
ROLES = {"identifier": "id", "target": "happened", "prediction": "said", "score": "chance", "sensitive": "sex"}


@pytest.fixture
def table(upload: Callable[..., Dataset]) -> Dataset:
    return upload(TABLE, file_name="people.csv", **ROLES)


def ask(client: Any, version: Version, dataset: Any, check: str = "fairness", **params: Any) -> Any:
    body = {"check": check, "dataset": str(getattr(dataset, "pk", dataset)), "params": params}
    return client.post(f"/api/v1/versions/{version.pk}/runs/", body)


def test_defaults_come_from_the_columns_roles(api: Any, developer: User, bare: Version, table: Dataset) -> None:
    answer = ask(api(developer), bare, table)
    assert answer.status_code == 202
    body = answer.json()
    assert answer["Location"] == body["url"] == f"http://testserver/api/v1/runs/{body['id']}/"
    assert body["status"] == "queued"
    assert body["result"] is None
    assert body["params"] == {
        "prediction": "said",
        "target": "happened",
        "favourable": "yes",
        "sensitive": ["sex"],
        "bins": {},
        "intersections": True,
        "confidence": 0.95,
        "replicates": 0,
        "seed": 0,
        "min_group": 2,
        "tolerance_ratio": 0.8,
        "tolerance_difference": 0.1,
        "multiplicity": "holm",
        "calibration_bins": 10,
        "leave_out_small": False,
    }
    both = ask(api(developer), bare, table, "performance").json()["params"]
    assert both == {
        "prediction": "said",
        "score": "chance",
        "target": "happened",
        "favourable": "yes",
        "bins": 10,
        "binning": "width",
        "groups": 10,
        "sample": "external",
        "confidence": 0.95,
    }


def test_true_is_the_favourable_truth_value(check: Any, bare: Version, upload: Any) -> None:
    table = upload(TABLE.replace("yes", "TRUE").replace("no,", "false,"), **ROLES)
    run = check(bare, "fairness", table)
    assert run["params"]["favourable"] is True
    assert run["result"]["overall"]["tp"] == 2
    assert check(bare, "fairness", table, favourable="false")["result"]["overall"]["tp"] == 1


def test_a_group_of_one_is_excluded_with_its_line(check: Any, bare: Version, upload: Any) -> None:
    lines = TABLE.splitlines()
    blank = "\n".join([lines[0], "", *lines[1:]])  # a blank line moves lines, not rows
    result = check(bare, "fairness", upload(blank, **ROLES))["result"]
    assert result["excluded"] == [
        {
            "group": {"sex": "x"},
            "n": 1,
            "reason": "The group has 1 row; disparities compare groups of at least 2 rows.",
            "row": 5,
            "line": 7,
        }
    ]


@pytest.mark.parametrize(
    ("said", "check", "params"),
    [
        (["“fairnes”", "choose from", "fairness"], "fairnes", {}),
        (["“treshold”", "threshold", "favourable"], "fairness", {"treshold": 1}),
        (["“confidence”", "2"], "fairness", {"confidence": 2}),
        (["“replicates”", "many"], "fairness", {"replicates": "many"}),
        (["people.csv", "“hapened”", "“happened”"], "fairness", {"target": "hapened"}),
        (["people.csv", "“wage”", "line 4", "1 cell is empty"], "fairness", {"target": "wage"}),
        (["people.csv", "“wage”", "line 4"], "performance", {"score": "wage", "prediction": "said"}),
        (["people.csv", "“note”", "text", "“a” in line 2"], "performance", {"score": "note"}),
        (["“maybe”", "“happened”", "“yes”, “no”"], "fairness", {"favourable": "maybe"}),
        (["“race”", "“sex”"], "fairness", {"sensitive": ["race"]}),
        (
            ["“note”", "“said” holds", "same values"],
            "fairness",
            {"target": "note", "prediction": "said", "favourable": "a"},
        ),
        (["“prediction”", "not both"], "fairness", {"prediction": "said", "threshold": 0.5}),
        (["people.csv", "“sex”", "text", "only numbers are cut"], "fairness", {"bins": {"sex": [1]}}),
        (["“wage”", "not among"], "fairness", {"bins": {"wage": [1]}}),
        (["rise"], "fairness", {"sensitive": ["wage"], "bins": {"wage": [30, 30]}}),
        (["“wage”", "not among", "“sex”"], "fairness", {"intersections": [["sex", "wage"]]}),
        (["v1 has no artifact", "runs the model itself"], "explainability", {}),
        (["favourable", "“a”, “b”, “c”, “d”, “e”"], "performance", {"target": "note", "score": "chance"}),
        (["10000 characters"], "fairness", {"intersections": [["sex", "sex"]] * 2000}),
    ],
)
def test_what_cannot_be_measured_is_refused(
    api: Any, developer: User, bare: Version, table: Dataset, check: str, params: Any, said: list[str]
) -> None:
    answer = ask(api(developer), bare, table, check, **params)
    assert answer.status_code == 422, answer.json()
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    for words in said:
        assert words in problem["detail"]
    assert problem["errors"][0]["where"]
    assert not Run.objects.exists()
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("said", "content", "roles"),
    [
        (["no column with the role target", "“target”"], TABLE, ROLES | {"target": []}),
        (["no column with the role sensitive"], TABLE, ROLES | {"sensitive": []}),
        (
            ["several columns with the role prediction", "“happened”, “said”"],
            TABLE,
            ROLES | {"prediction": ["happened", "said"]},
        ),
        (["“happened” holds “yes” in every row"], TABLE.replace(",no,", ",yes,"), ROLES),
        (["line 3", "2 cells are empty"], TABLE.replace(",no,", ",NaN,"), ROLES),
        (["no artifact", "prediction or score"], TABLE, ROLES | {"prediction": [], "score": []}),
    ],
)
def test_a_dataset_that_cannot_be_measured_is_refused(
    api: Any, developer: User, bare: Version, upload: Any, said: list[str], content: str, roles: Any
) -> None:
    answer = ask(api(developer), bare, upload(content, file_name="people.csv", **roles))
    assert answer.status_code == 422
    for words in said:
        assert words in answer.json()["detail"]
    assert not Run.objects.exists()


def test_too_many_groups_are_refused_with_the_bins_that_mend_it(
    api: Any, developer: User, bare: Version, upload: Any
) -> None:
    lines = [f"{row % 2},{row % 2},{20 + row},n{row}" for row in range(60)]
    dataset = upload("\n".join(["y,p,age,town", *lines]), target="y", prediction="p", sensitive=["age", "town"])
    client = api(developer)
    assert "“bins”: {“age”: [25, 60]}" in ask(client, bare, dataset, sensitive=["age"]).json()["detail"]
    assert "into fewer" in ask(client, bare, dataset, sensitive=["town"]).json()["detail"]
    assert ask(client, bare, dataset, sensitive=["age"], bins={"age": [25, 60]}).status_code == 202


def test_a_dataset_elsewhere_does_not_exist(
    api: Any, developer: User, bare: Version, outsider: User, table: Dataset
) -> None:
    unknown = ask(api(developer), bare, "00000000-0000-4000-8000-000000000000")
    assert unknown.status_code == 422
    assert unknown.json()["errors"][0]["where"] == "dataset"
    assert ask(api(developer), bare, "no id").status_code == 422
    assert ask(api(outsider), bare, table).status_code == 404


def test_who_may_not_measure_is_refused_and_recorded(api: Any, auditor: User, bare: Version, table: Dataset) -> None:
    answer = ask(api(auditor), bare, table)
    assert answer.status_code == 409
    assert answer.json()["objections"][0]["code"] == "may_not_measure"
    attempt = Entry.objects.get(type="trail.attempt.refused")
    assert attempt.content["facts"]["attempted"] == "audits.run.requested"
    assert attempt.subject_id == str(bare.pk)
    assert not Run.objects.exists()


def test_the_run_and_its_result_stand_in_the_trail(check: Any, bare: Version, table: Dataset) -> None:
    read = check(bare, "fairness", table, seed=3)
    run = Run.objects.get(pk=read["id"])
    asked, done = Entry.objects.filter(subject_id=str(run.pk)).order_by("pk")
    assert (asked.type, done.type) == ("audits.run.requested", "audits.run.succeeded")
    assert json.loads(asked.content["facts"]["params"]) == read["params"]
    assert done.content["facts"] == {
        "check": "fairness",
        "result_digest": read["result_digest"],
        "dataset_digest": table.digest,
        "artifact_digest": "",
    }
    record = json.loads(bytes(run.record))
    assert record["result"] == read["result"]
    assert record["run"]["seed"] == 3
    assert record["run"]["dataset"] == {"id": str(table.pk), "name": table.name, "digest": table.digest, "rows": 5}
    assert set(record["run"]["libraries"]) >= {"python", "numpy", "pandas"}
    assert record["run"]["code_version"].startswith("countersign ")


def test_lists_are_filtered_and_scoped(
    api: Any, developer: User, validator: User, outsider: User, bare: Version, table: Dataset, check: Any
) -> None:
    done = check(bare, "fairness", table)
    waiting = ask(api(developer), bare, table, "performance").json()
    client = api(validator)

    def ids(query: str) -> list[str]:
        return [row["id"] for row in client.get(f"/api/v1/runs/{query}").json()["results"]]

    assert ids("") == [waiting["id"], done["id"]]
    assert ids("?check=fairness") == ids("?status=succeeded") == [done["id"]]
    assert ids("?status=queued") == [waiting["id"]]
    assert ids(f"?version={bare.pk}") == [waiting["id"], done["id"]]
    assert ids(f"?version={table.pk}") == ids("?version=nonsense") == []
    assert client.get("/api/v1/runs/?limit=1").json()["count"] == 2
    assert "result" not in client.get("/api/v1/runs/").json()["results"][0]
    assert api(outsider).get("/api/v1/runs/").json()["count"] == 0
    assert api(outsider).get(f"/api/v1/runs/{done['id']}/").status_code == 404
    assert api(outsider).post(f"/api/v1/runs/{waiting['id']}/cancel/").status_code == 404


def test_list_takes_a_fixed_number_of_queries(
    api: Any, developer: User, bare: Version, table: Dataset, django_assert_num_queries: Any
) -> None:
    client = api(developer)
    for _ in range(3):
        ask(client, bare, table)
    with django_assert_num_queries(4):  # the token, the person's roles, the count, the page
        client.get("/api/v1/runs/")


def test_checks_say_what_they_answer(api: Any, auditor: User) -> None:
    listed = {row["name"]: row for row in api(auditor).get("/api/v1/checks/").json()}
    assert {"fairness", "explainability", "performance"} <= set(listed)
    assert list(listed) == sorted(listed)
    for row in listed.values():
        assert "Not for" in row["answers"]
        assert row["params"]["additionalProperties"] is False


def test_cancel_and_retry(api: Any, developer: User, bare: Version, table: Dataset) -> None:
    client = api(developer)
    run = ask(client, bare, table).json()
    assert client.post(f"{run['url']}retry/").status_code == 409
    cancelled = client.post(f"{run['url']}cancel/", {"reason": "wrong table"})
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert client.post(f"{run['url']}cancel/").status_code == 409
    job = Run.objects.get(pk=run["id"]).job
    assert jobs.work(job.pk) is False
    again = client.post(f"{run['url']}retry/", {})
    assert (again.status_code, again.json()["status"], again["Location"]) == (202, "queued", run["url"])
    assert jobs.work(job.pk) is True
    assert client.get(run["url"]).json()["status"] == "succeeded"
    done = client.post(f"{run['url']}retry/")
    assert done.status_code == 409
    assert "Ask for a new run" in done.json()["detail"]
    kinds = list(Entry.objects.filter(subject_id=run["id"]).order_by("pk").values_list("type", flat=True))
    assert kinds == [
        "audits.run.requested",
        "trail.attempt.refused",
        "audits.run.cancelled",
        "trail.attempt.refused",
        "audits.run.retried",
        "audits.run.succeeded",
        "trail.attempt.refused",
    ]
    assert Entry.objects.get(type="audits.run.cancelled").reason == "wrong table"


def test_services_ask_for_leave_themselves(auditor: User, developer: User, bare: Version, table: Dataset) -> None:
    run = runs.request(version=bare, check="fairness", dataset=table, params={}, actor=developer, reason=WHY)
    for verb in (runs.cancel, runs.retry):
        with pytest.raises(Refused, match="may not"):
            verb(run=run, actor=auditor, reason=WHY)


def test_a_failed_run_says_why(
    api: Any, developer: User, register: Any, dataset: Dataset, scorecard_file: bytes
) -> None:
    """The artifact's classes are false and true, the target's good and bad: only the child can see that."""
    version = register(scorecard_file, "scorecard.skops")
    client = api(developer)
    run = ask(client, version, dataset, "explainability", rows=5).json()
    assert jobs.work(Run.objects.get(pk=run["id"]).job_id) is True
    read = client.get(run["url"]).json()
    assert read["status"] == "failed"
    assert "classes are False, True" in read["error"]
    assert read["result"] is None
    failed = Entry.objects.get(type="audits.run.failed")
    assert failed.content["facts"]["error"] == read["error"]


def test_the_default_set_starts_what_fits_and_says_why_the_rest_does_not(
    api: Any, developer: User, bare: Version, table: Dataset
) -> None:
    answer = api(developer).post(f"/api/v1/versions/{bare.pk}/check-set/", {"dataset": str(table.pk)})
    assert answer.status_code == 202
    body = answer.json()
    asked = {run["check"] for run in body["runs"]}
    unfit = {row["check"]: row for row in body["unfit"]}
    assert {"fairness", "performance"} <= asked
    assert set(Run.objects.values_list("check_name", flat=True)) == asked
    assert "has no artifact" in unfit["explainability"]["detail"]
    assert unfit["explainability"]["where"] == "version"
    assert asked.isdisjoint(unfit)
    assert asked | set(unfit) == set(checks.ALL)


def test_whoever_may_not_measure_starts_no_set(api: Any, auditor: User, bare: Version, table: Dataset) -> None:
    answer = api(auditor).post(f"/api/v1/versions/{bare.pk}/check-set/", {"dataset": str(table.pk)})
    assert answer.status_code == ask(api(auditor), bare, table).status_code == 409
    assert not Run.objects.exists()
    assert Entry.objects.filter(type="trail.attempt.refused").count() == 2
