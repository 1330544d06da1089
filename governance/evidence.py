"""The evidence a policy asks for: a run that counts, is fresh, is about this artifact and meets the thresholds."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from audits import checks
from audits.models import Job, Run
from audits.queries import recorded_digest
from governance import thresholds
from governance.case import Case, documents, fits
from governance.requirement import Evidence, Requirement, Verdict, met, missing
from registry.models import RegisteredModel
from trail import moments
from trail.canonical import digest
from trail.errors import Objection

SHOWN = ("favourable", "threshold", "prediction", "score", "sensitive")


def requirements(case: Case) -> list[Requirement]:
    found = [_required(case, rule, run) for rule, run in zip(case.rules, case.runs, strict=True)]
    return [*found, *_agreement(case), *_documents(case), *_lineage(case)]


def _required(case: Case, rule: dict[str, Any], run: Run | None) -> Requirement:
    key, name = f"evidence:{rule['check']}", rule["check"]
    title = checks.ALL[name].TITLE if name in checks.ALL else name
    if run is None or run.finished_at is None:
        return _without_run(case, rule, key, title)
    shown = shows(run)
    limit = timedelta(days=rule["max_age_days"])
    age = moments.now() - run.finished_at
    objections, said = _judged(case, rule, run)
    verdict = Verdict.UNMET if objections else Verdict.STALE
    if age > limit:
        sentence = f"The newest {name} run is {age.days} days old; at most {limit.days} are allowed."
        objections.append(Objection("evidence_stale", sentence, "Run the check again.", _page(case)))
    if objections:
        return missing(key, title, objections, shown, verdict=verdict)
    return met(key, title, " ".join([f"Measured {run.finished_at:%d %B %Y} on {run.dataset.name}.", *said]), shown)


def _without_run(case: Case, rule: dict[str, Any], key: str, title: str) -> Requirement:
    name, where = rule["check"], rule.get("where", {})
    only = " with " + ", ".join(f"{param} {_spelt(value)}" for param, value in where.items()) if where else ""
    others = case.version.runs.filter(check_name=name).select_related("job").order_by("-requested_at")
    last = next((run for run in others.defer("record") if fits(run, rule)), None)
    if last and last.job.status in Job.OPEN:
        waiting = Objection(
            "evidence_running", f"The {name} run{only} is not done yet.", "Wait for it.", f"/runs/{last.pk}/"
        )
        return missing(key, title, waiting, verdict=Verdict.WAITING)
    if last and last.job.status == Job.Status.FAILED:
        sentence = f"The last {name} run{only} failed: {last.job.error or 'no reason was kept'}"
        return missing(
            key, title, Objection("evidence_failed", sentence, "Mend it and run again.", f"/runs/{last.pk}/")
        )
    sentence = f"There is no {name} run{only} of this version."
    return missing(key, title, Objection("evidence_missing", sentence, f"Run the {name} check.", _page(case)))


def _judged(case: Case, rule: dict[str, Any], run: Run) -> tuple[list[Objection], list[str]]:
    """Everything but its age that stands against a run, and what it met."""
    name, link = rule["check"], f"/runs/{run.pk}/"
    record = bytes(run.record)
    if not digest(record) == run.result_digest == recorded_digest(run) or not _is_about(record, run):
        sentence = f"The {name} result is not the one that the trail holds: its digest differs."
        return [Objection("evidence_altered", sentence, "Run the check again, and find out who changed it.", link)], []
    content = json.loads(record)
    objections, said = [], []
    if content["run"]["artifact_digest"] != case.version.digest:
        sentence = f"The {name} run measured another artifact than this version has now."
        objections.append(Objection("evidence_other_artifact", sentence, "Run the check again.", link))
    objections += _source_objections(case, rule, content["result"], link)
    objections += _held_out_objections(case, rule, run, link)
    for threshold in rule.get("thresholds", []):
        try:
            is_met, sentence = thresholds.judge(threshold, content["result"])
        except thresholds.Unreadable as unreadable:
            sentence = f"“{threshold['why']}” can’t be evaluated: {unreadable}"
            objections.append(Objection("cannot_evaluate", sentence, "Run the check so that it gives this.", link))
            continue
        if is_met:
            said.append(f"{threshold['why']} {sentence}")
        else:
            objections.append(
                Objection("threshold_not_met", f"{threshold['why']} {sentence}", "Change the model.", link)
            )
    return objections, said


def _is_about(record: bytes, run: Run) -> bool:
    """Whether the columns beside the record say what it says: a rule finds a run by them."""
    said = json.loads(record)["run"]
    stated = said["id"], said["check"], said["params"], said["version"]["id"], said["dataset"]["id"]
    return bool(stated == (str(run.pk), run.check_name, run.params, str(run.version_id), str(run.dataset_id)))


def _source_objections(case: Case, rule: dict[str, Any], result: dict[str, Any], link: str) -> list[Objection]:
    """Predictions in a dataset say what someone typed; only running the artifact says what it does."""
    if rule.get("source") != "artifact":
        return []
    source = result.get("source") or {}
    if source.get("kind") == "artifact" and source.get("digest") == case.version.digest and case.version.digest:
        return []
    sentence = (
        f"The {rule['check']} run measured predictions that the dataset brought, not what this version’s artifact does."
    )
    mend = "Run the check on a dataset without predictions, so that the artifact is run."
    return [Objection("evidence_not_from_artifact", sentence, mend, link)]


def _held_out_objections(case: Case, rule: dict[str, Any], run: Run, link: str) -> list[Objection]:
    if not rule.get("held_out"):
        return []
    if not case.trained_on:
        sentence = (
            "Nobody recorded what this version was trained on, so nobody can say that it was measured on other data."
        )
        return [Objection("cannot_evaluate", sentence, "Record the training data in the lineage.", _page(case))]
    if run.dataset.sha256 not in {dataset.sha256 for dataset in case.trained_on}:
        return []
    sentence = f"The {rule['check']} run measured the version on {run.dataset.name}, which it was trained on."
    return [Objection("evidence_in_sample", sentence, "Run the check on data that were held out.", link)]


def _agreement(case: Case) -> list[Requirement]:
    """Runs on different thresholds or outcomes would each describe another model."""
    names = (case.gate or {}).get("agree", [])
    if not names:
        return []
    objections = []
    for name in names:
        stated = [(run.check_name, run.params[name]) for run in case.runs if run and run.params.get(name) is not None]
        if any(value != stated[0][1] for _, value in stated):
            said = ", ".join(f"{check} {_spelt(value)}" for check, value in stated)
            sentence = f"The runs don’t describe the same decision: “{name}” differs ({said})."
            objections.append(Objection("evidence_disagrees", sentence, "Run the checks alike.", _page(case)))
    title = "The runs describe the same decision"
    if objections:
        return [missing("agreement", title, objections)]
    return [met("agreement", title, f"No run states another {', '.join(names)}.")]


def _documents(case: Case) -> list[Requirement]:
    if case.gate is None:
        return []
    values = documents(case)
    objections = [
        Objection("document_missing", f"{_title(name)} is not filled.", "Write it.", _written_at(case, name))
        for name, value in values.items()
        if not value
    ]
    if objections:
        return [missing("documents", "Documents", objections)]
    listed = ", ".join(_title(name) for name in values) or "nothing"
    return [met("documents", "Documents", f"Filled: {listed}.")]


def _lineage(case: Case) -> list[Requirement]:
    if (case.gate or {}).get("lineage", {}).get("trained_on") != "required":
        return []
    if not case.trained_on:
        sentence = "Nobody recorded which data this version was trained on."
        objection = Objection("lineage_missing", sentence, "Record the training data in the lineage.", _page(case))
        return [missing("lineage", "Lineage", objection)]
    datasets = [Evidence(data.name, "dataset", str(data.pk), data.digest) for data in case.trained_on]
    return [met("lineage", "Lineage", f"Trained on {', '.join(data.name for data in case.trained_on)}.", *datasets)]


def shows(run: Run) -> Evidence:
    params = ", ".join(f"{name} {_spelt(run.params[name])}" for name in SHOWN if run.params.get(name) is not None)
    label = f"{run.check_name} on {run.dataset.name}" + (f" ({params})" if params else "")
    return Evidence(
        label, "run", str(run.pk), run.result_digest, run.finished_at.isoformat() if run.finished_at else ""
    )


def _spelt(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _title(name: str) -> str:
    kind, _, rest = name.rpartition(".")
    if kind:
        return f"{rest.replace('_', ' ').capitalize()} ({'model card' if kind == 'card' else 'inventory'})"
    return str(RegisteredModel._meta.get_field(name).verbose_name).capitalize()  # type: ignore[union-attr]


def _written_at(case: Case, name: str) -> str:
    return f"/versions/{case.version.pk}/card/edit/" if name.startswith("card.") else f"/models/{case.model.slug}/edit/"


def _page(case: Case) -> str:
    return f"/versions/{case.version.pk}/"
