"""A pack's evidence as OSCAL assessment results, for the tools of those who assess (OSCAL 1.1, JSON).

What the policy asks are the controls, each requirement a finding about its own, each run, signature and answer of the
gate an observation with the file of the pack that shows it. Every id follows from what it names, so that the same pack
gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from django.conf import settings

from audits import checks
from audits.models import Run
from people.models import Signature
from registry.stages import Stage
from reports.gathering import Evidence
from trail.canonical import canonical, canonical_result

OSCAL = "1.1.3"
ASSESSOR, REQUESTER = "assessor", "requester"
STATES = {"met": ("satisfied", "pass"), "unmet": ("not-satisfied", "fail")}
IN_USE = {Stage.STAGING: "operational", Stage.PRODUCTION: "operational", Stage.RETIRED: "disposition"}
Json = dict[str, Any]


class Part(NamedTuple):
    """A version's part of the document: its result, as it is written, and whom, in which roles, and which files it
    names."""

    result: bytes
    roles: list[Json]
    parties: list[Json]
    resources: list[Json]


@dataclass(frozen=True)
class Control:
    """A requirement of the policy under an id that is OSCAL's kind of word, and one only in its result."""

    id: str
    requirement: Json


def assessment_results(described: Json, parts: Iterable[Part]) -> bytes:
    """The document of a whole pack. `described` is what the manifest says of the pack."""
    made = list(parts)
    issuer = _party("organization", described["origin"], described["origin"])
    parties = {each["uuid"]: each for each in [issuer, *(party for part in made for party in part.parties)]}
    roles = {each["id"]: each for part in made for each in part.roles}
    resources = {each["uuid"]: each for part in made for each in part.resources}
    policies = [each for each in resources.values() if each["props"][0]["value"] == "policy"]
    plan = policies[0]["rlinks"][0]["href"]
    body: Json = {
        "metadata": {
            "title": _line(f"Evidence of {_named(described)}"),
            "last-modified": described["created_at"],
            "version": described["id"],
            "oscal-version": OSCAL,
            "props": [_prop("log-size", described["size"])]
            + ([_prop("as-of", described["as_of"])] if described.get("as_of") else []),
            "roles": [_role(ASSESSOR, "Issuer of the log"), *(roles[name] for name in sorted(roles))],
            "parties": list(parties.values()),
            "responsible-parties": [{"role-id": ASSESSOR, "party-uuids": [issuer["uuid"]]}],
        },
        "import-ap": {
            "href": plan if len(policies) == 1 else f"#{policies[0]['uuid']}",
            "remarks": "The policy that the versions were judged by; it is no OSCAL document. The resources list all.",
        },
        "back-matter": {"resources": list(resources.values())},
    }
    # the results come last in canonical order, so they are never read again: there may be thousands
    whole = b'%b,"results":[%b]}' % (canonical_result(body)[:-1], b",".join(part.result for part in made))
    identity = _uuid("document", sha256(whole).hexdigest())
    return b'{"assessment-results":%b,"uuid":%b}}' % (whole[:-1], canonical(identity))


def part(found: Evidence) -> Part:
    """What one version's evidence gives; it holds nothing of the database any more."""
    controls = _controls(found.gate["requirements"])
    policy = _resource(found, "policy.yaml", "policy", "The policy the gate judged by", found.policy_text.encode())
    resources = [
        policy,
        _resource(found, "gate.json", "gate", "What the policy asked, and whether it was met", None),
        _resource(found, "card.json", "model-card", "The model card", None),
    ]
    if found.attestation:
        signed = found.attestation.encode()
        resources.append(_resource(found, "attestation.dsse.json", "attestation", "The attested release", signed))
    times = [found.version.created_at, datetime.fromisoformat(found.gate["evaluated_at"])]
    times += [each.signed_at for each in found.signatures]
    times += [run.finished_at for run in found.runs if run.finished_at]
    result = {
        "uuid": _of(found, "result"),
        "title": _line(found.card.title),
        "description": _line(f"What was measured, decided and signed about {found.card.title}."),
        "start": min(times).isoformat(),
        "end": max(times).isoformat(),
        "props": _stated(found),
        "local-definitions": _defined(found),
        "reviewed-controls": _reviewed(controls, policy),
        "observations": _observed(found),
        "findings": [_finding(found, control) for control in controls],
        "attestations": [_attested(found, each) for each in found.signatures],
        "assessment-log": {"entries": [_entry(found, each) for each in found.entries]},
    }
    for name in ("findings", "attestations"):
        if not result[name]:
            del result[name]
    if not found.entries:
        del result["assessment-log"]
    people = [_person(each.signer_id, each.signer_name) for each in found.signatures]
    people += [_person(run.requested_by_id, run.requested_by.name) for run in found.runs]
    roles = [_role(each.role, each.get_role_display()) for each in found.signatures]
    roles += [_role(REQUESTER, "Asked for the measurement")] if found.runs else []
    return Part(canonical_result(result), roles, people, resources)


def _stated(found: Evidence) -> list[Json]:
    version = found.version
    stated = {
        "model": version.model.slug,
        "version": version.name,
        "stage": version.stage,
        "tier": version.model.tier,
        "artifact-digest": found.described["artifact_digest"],
    }
    return [_prop(name, value) for name, value in stated.items() if value not in (None, "")]


def _defined(found: Evidence) -> Json:
    """The version as the component assessed, and the checks as what assessed it."""
    version = found.version
    used = {run.check_name: _tool(found, run) for run in found.runs}
    tools = [
        {
            "uuid": used[name],
            "type": "software",
            "title": checks.get(name).TITLE,
            "description": f"The check “{name}”.",
            "status": {"state": "operational"},
        }
        for name in sorted(used)
    ]
    platform: Json = {"uuid": _of(found, "platform"), "title": settings.LOG_ORIGIN}
    if tools:
        platform["uses-components"] = [{"component-uuid": each["uuid"]} for each in tools]
    component = {
        "uuid": _component(found),
        "type": "software",
        "title": _line(found.card.title),
        "description": _line(version.model.purpose or version.model.name),
        "status": {"state": IN_USE.get(Stage(version.stage), "under-development")},
    }
    assets = {"assessment-platforms": [platform]} | ({"components": tools} if tools else {})
    return {"components": [component], "assessment-assets": assets}


def _controls(requirements: list[Json]) -> list[Control]:
    taken: dict[str, int] = {}
    controls = []
    for each in requirements:
        name = re.sub(r"[^A-Za-z0-9._-]", ".", each["key"])
        taken[name] = taken.get(name, 0) + 1
        controls.append(Control(name if taken[name] == 1 else f"{name}.{taken[name]}", each))
    return controls


def _reviewed(controls: list[Control], policy: Json) -> Json:
    selection: Json = {"include-controls": [{"control-id": each.id} for each in controls]}
    if not controls:
        selection = {"include-all": {}, "description": "Nothing was asked: there is no promotion to judge."}
    described = "What the policy asks of this version in its target."
    return {"description": described, "links": [_link(policy)], "control-selections": [selection]}


def _observed(found: Evidence) -> list[Json]:
    gate: Json = {
        "uuid": _of(found, "gate"),
        "title": "The gate",
        "description": _line(f"The gate answered: {found.gate.get('decision') or 'not asked yet'}."),
        "methods": ["EXAMINE"],
        "types": ["control-objective"],
        "subjects": [_subject(found)],
        "relevant-evidence": [_shown(found, "gate.json", "Every requirement, and what stands against it")],
        "collected": found.gate["evaluated_at"],
    }
    if found.attestation:
        gate["relevant-evidence"].append(_shown(found, "attestation.dsse.json", "The signed statement of the release"))
    return [gate, *(_run(found, run) for run in found.runs), *(_signature(found, each) for each in found.signatures)]


def _run(found: Evidence, run: Run) -> Json:
    actors = [{"type": "tool", "actor-uuid": _tool(found, run)}]
    actors.append({"type": "party", "actor-uuid": _person_id(run.requested_by_id), "role-id": REQUESTER})
    shown = _shown(found, f"runs/{run.pk}.json", "The full result, as it was recorded", run.result_digest)
    return {
        "uuid": _of(found, "run", run.pk, run.result_digest),
        "title": _line(f"{checks.get(run.check_name).TITLE} on {run.dataset.name}"),
        "description": _line(f"The check “{run.check_name}” measured {found.card.title} on {run.dataset.name}."),
        "props": [_prop("run", run.pk), _prop("dataset-digest", run.dataset.digest)],
        "methods": ["TEST"],
        "types": ["control-objective"],
        "origins": [{"actors": actors}],
        "subjects": [_subject(found)],
        "relevant-evidence": [shown],
        "collected": (run.finished_at or run.requested_at).isoformat(),
    }


def _signature(found: Evidence, each: Signature) -> Json:
    doubt = found.doubts.get(str(each.pk))
    observation: Json = {
        "uuid": _of(found, "signature", each.pk, each.digest),
        "title": _line(f"Signature of {each.signer_name}"),
        "description": _line(f"{each.signer_name} signed “{each.get_meaning_display()}”."),
        "props": [_prop("statement-digest", each.digest), _prop("method", each.method)],
        "methods": ["EXAMINE"],
        "types": ["control-objective"],
        "origins": [{"actors": [{"type": "party", "actor-uuid": _person_id(each.signer_id)}]}],
        "subjects": [_subject(found)],
        "relevant-evidence": [_shown(found, f"signatures/{each.pk}.json", "The signature and the statement shown")],
        "collected": each.signed_at.isoformat(),
    }
    return observation | ({"remarks": doubt} if doubt else {})


def _finding(found: Evidence, control: Control) -> Json:
    asked = control.requirement
    state, reason = STATES.get(asked["verdict"], ("not-satisfied", "other"))
    mends = [" ".join(filter(None, [each["sentence"], each["mend"]])) for each in asked["objections"]]
    shown = {(each["kind"], each["id"]) for each in asked["evidence"]}
    related = [_of(found, "gate")]
    related += [_of(found, "run", run.pk, run.result_digest) for run in found.runs if ("run", str(run.pk)) in shown]
    related += [
        _of(found, "signature", each.pk, each.digest)
        for each in found.signatures
        if ("signature", str(each.pk)) in shown
    ]
    target: Json = {
        "type": "objective-id",
        "target-id": control.id,
        "title": _line(asked["title"]),
        "status": {"state": state, "reason": reason},
    }
    finding: Json = {
        "uuid": _of(found, "finding", control.id, sha256(canonical_result(asked)).hexdigest()),
        "title": _line(asked["title"]),
        "description": _line(asked["sentence"]),
        "props": [_prop("verdict", asked["verdict"])],
        "target": target,
        "related-observations": [{"observation-uuid": each} for each in related],
    }
    return finding | ({"remarks": "\n\n".join(mends)} if mends else {})


def _attested(found: Evidence, each: Signature) -> Json:
    said = f"{each.signer_name}, {each.get_role_display()}: {each.get_meaning_display()}."
    assertion = {
        "uuid": _of(found, "assertion", each.pk),
        "name": "assertion",
        "title": _line(each.get_meaning_display()),
        "prose": " ".join(filter(None, [said, each.comment])),
    }
    party = {"role-id": each.role, "party-uuids": [_person_id(each.signer_id)]}
    return {"responsible-parties": [party], "parts": [assertion]}


def _entry(found: Evidence, each: Any) -> Json:
    return {
        "uuid": _of(found, "entry", each.index),
        "title": _line(each.sentence),
        "start": datetime.fromisoformat(each.content["at"]).isoformat(),
        "links": [{"href": f"events/{each.index:012d}.json", "rel": "evidence"}],
    }


def _resource(found: Evidence, name: str, kind: str, title: str, content: bytes | None) -> Json:
    where: Json = {"href": f"{found.path}/{name}"}
    if content is not None:
        where["hashes"] = [{"algorithm": "SHA-256", "value": sha256(content).hexdigest()}]
    identity = _of(found, "resource", name)
    return {"uuid": identity, "title": title, "props": [_prop("kind", kind)], "rlinks": [where]}


def _shown(found: Evidence, name: str, description: str, digest: str = "") -> Json:
    shown: Json = {"href": f"{found.path}/{name}", "description": description}
    return shown | ({"props": [_prop("digest", digest)]} if digest else {})


def _subject(found: Evidence) -> Json:
    return {"subject-uuid": _component(found), "type": "component", "title": _line(found.card.title)}


def _component(found: Evidence) -> str:
    return _of(found, "component")


def _tool(found: Evidence, run: Run) -> str:
    return _of(found, "check", run.check_name)


def _person(identity: UUID, name: str) -> Json:
    return _party("person", identity, name)


def _person_id(identity: UUID) -> str:
    return _uuid("person", identity)


def _role(identity: str, title: str) -> Json:
    return {"id": identity, "title": _line(title)}


def _party(kind: str, identity: object, name: str) -> Json:
    return {"uuid": _uuid(kind, identity), "type": kind, "name": _line(name)}


def _named(described: Json) -> str:
    covered = described["versions"]
    if len(covered) == 1:
        return f"{covered[0]['model_name']} {covered[0]['version']}"
    return f"{len(covered)} versions of models"


def _prop(name: str, value: object) -> Json:
    return {"name": name, "ns": f"https://{settings.LOG_ORIGIN}/oscal", "value": _line(value)}


def _link(resource: Json) -> Json:
    return {"href": f"#{resource['uuid']}", "rel": "reference"}


def _line(text: object) -> str:
    """One line that is not empty, which is what OSCAL's titles and values are."""
    return " ".join(str(text).split()) or "–"


def _of(found: Evidence, *parts: object) -> str:
    return _uuid("version", found.version.pk, *parts)


def _uuid(*parts: object) -> str:
    installation = uuid5(NAMESPACE_URL, f"https://{settings.LOG_ORIGIN}")
    return str(uuid5(installation, canonical([str(each) for each in parts]).decode()))
