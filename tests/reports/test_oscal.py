"""Assessment results: each id stands once, each reference leads somewhere, and the same evidence is the same bytes."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from governance import promotion as promotions
from people.models import User
from registry import versions
from reports import gathering, oscal
from tests.personas import WHY
from trail import checkpoints

pytestmark = pytest.mark.django_db
TOKEN = r"[A-Za-z_][A-Za-z0-9._-]*"
# the members whose values are ids of something else in the document
REFERENCES = {"actor-uuid", "subject-uuid", "component-uuid", "observation-uuid"}


def gathered(*of: Any) -> list[gathering.Evidence]:
    return [gathering.gather(version, checkpoints.current()) for version in of]


def written(*found: gathering.Evidence) -> bytes:
    checkpoint = checkpoints.current()
    described = {
        "id": "0b7f3f0e-6f0e-4f0b-8a38-9ddc3a6a1d6a",
        "origin": "countersign.local/trail",
        "created_at": checkpoint.signed_at.isoformat(),
        "as_of": None,
        "requested_by": "Ada Auditor",
        "size": checkpoint.size,
        "versions": [each.described for each in found],
    }
    return oscal.assessment_results(described, [oscal.part(each) for each in found])


def read(data: bytes) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(data)["assessment-results"]
    return content


def members(value: Any) -> Iterator[tuple[str, Any]]:
    """Every (name, value) anywhere below."""
    if isinstance(value, dict):
        yield from value.items()
        for below in value.values():
            yield from members(below)
    if isinstance(value, list):
        for below in value:
            yield from members(below)


def sound(content: dict[str, Any]) -> None:
    """What holds of every document: ids, references, words and times."""
    everything = list(members(content))
    ids = [value for name, value in everything if name == "uuid"]
    assert {UUID(each).version for each in ids} == {5}
    assert [each for each, count in Counter(ids).items() if count > 1] == []
    named = [value for name, value in everything if name in REFERENCES and isinstance(value, str)]
    named += [each for name, value in everything if name == "party-uuids" for each in value]
    named += [value[1:] for name, value in everything if name == "href" and value.startswith("#")]
    assert set(named) <= set(ids)
    assert {value for name, value in everything if name == "role-id"} <= {
        each["id"] for each in content["metadata"]["roles"]
    }
    for name, value in everything:
        assert value not in ("", [], {}) or name == "include-all", name
        if name in {"title", "value"}:
            assert value == " ".join(value.split())
        if name in {"id", "control-id", "target-id", "role-id"}:
            assert re.fullmatch(TOKEN, value), value
        if name in {"start", "end", "collected", "last-modified"}:
            assert datetime.fromisoformat(value).tzinfo is not None
    for result in content["results"]:
        asked = [
            each["control-id"]
            for selection in result["reviewed-controls"]["control-selections"]
            for each in selection.get("include-controls", [])
        ]
        assert len(asked) == len(set(asked))
        assert [each["target"]["target-id"] for each in result.get("findings", [])] == asked
        assert datetime.fromisoformat(result["start"]) <= datetime.fromisoformat(result["end"])


def test_a_release_is_all_satisfied_and_each_finding_shows_its_evidence(released: Any, performance: Any) -> None:
    [found] = gathered(released.version)
    content = read(written(found))
    sound(content)
    [result] = content["results"]
    assert {each["target"]["status"]["state"] for each in result["findings"]} == {"satisfied"}
    assert {each["target"]["status"]["reason"] for each in result["findings"]} == {"pass"}
    by_id = {each["target"]["target-id"]: each for each in result["findings"]}
    observed = {each["uuid"]: each for each in result["observations"]}

    def shown(control: str) -> list[str]:
        related = [observed[each["observation-uuid"]] for each in by_id[control]["related-observations"]]
        return [evidence["href"] for each in related for evidence in each["relevant-evidence"]]

    folder = found.path
    assert f"{folder}/runs/{performance.pk}.json" in shown("evidence.performance")
    assert f"{folder}/gate.json" in shown("tier")
    owner = next(each for each in found.signatures if each.role == "owner")
    assert f"{folder}/signatures/{owner.pk}.json" in shown("signature.owner")
    assert len(result["attestations"]) == 3
    assert len(result["assessment-log"]["entries"]) == len(found.entries)


def test_the_plan_is_the_policy_of_the_pack_bound_by_its_digest(released: Any) -> None:
    [found] = gathered(released.version)
    content = read(written(found))
    assert content["metadata"]["oscal-version"] == "1.1.3"
    assert content["import-ap"]["href"] == f"{found.path}/policy.yaml"
    [policy] = [each for each in content["back-matter"]["resources"] if each["title"].startswith("The policy")]
    digest = hashlib.sha256(found.policy_text.encode()).hexdigest()
    assert policy["rlinks"] == [
        {"href": f"{found.path}/policy.yaml", "hashes": [{"algorithm": "SHA-256", "value": digest}]}
    ]


def test_what_is_not_met_is_not_satisfied_and_says_what_would_mend_it(promotion: Any) -> None:
    [result] = read(written(*gathered(promotion.version)))["results"]
    signed = next(each for each in result["findings"] if each["target"]["target-id"] == "signature.validator")
    assert signed["target"]["status"]["state"] == "not-satisfied"
    assert signed["remarks"]
    assert "attestations" not in result


def test_a_pack_of_several_has_a_result_each(
    released: Any, developer: User, scorecard_file: bytes, environment: Any
) -> None:
    from django.core.files.base import ContentFile

    file = ContentFile(scorecard_file + b"\n", name="next.skops")
    model = released.version.model
    second = versions.register(model=model, artifact=file, file_name="next.skops", actor=developer, reason=WHY)
    third = versions.register(model=model, artifact=None, actor=developer, reason="Two\nlines")
    promotions.request(version=second, target=environment, actor=developer, reason=WHY)
    content = read(written(*gathered(released.version, second, third)))
    sound(content)
    assert len(content["results"]) == 3
    policies = [each for each in content["back-matter"]["resources"] if each["title"].startswith("The policy")]
    assert content["import-ap"]["href"] == f"#{policies[0]['uuid']}"
    assert content["results"][2]["reviewed-controls"]["control-selections"][0]["include-all"] == {}
    assert "findings" not in content["results"][2]


def test_the_same_evidence_is_the_same_bytes_and_another_is_another_document(released: Any, promotion: Any) -> None:
    [found] = gathered(released.version)
    assert written(found) == written(found)
    changed = json.loads(json.dumps(found.gate))
    changed["requirements"][0]["verdict"] = "unmet"
    other = replace(found, gate=changed)
    first, second = read(written(found)), read(written(other))
    assert first["uuid"] != second["uuid"]
    assert first["results"][0]["findings"][0]["uuid"] != second["results"][0]["findings"][0]["uuid"]
    assert first["results"][0]["findings"][1]["uuid"] == second["results"][0]["findings"][1]["uuid"]
