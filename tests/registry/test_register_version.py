from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from registry import cards, storage, versions
from registry.models import Artifact, Lineage, Version
from tests.personas import WHY
from trail.errors import BadInput, Refused
from trail.models import Entry

pytestmark = pytest.mark.django_db


def register(model, actor, data: bytes | None = None, name="model.skops", **more):
    file = None if data is None else ContentFile(data, name=name)
    return versions.register(model=model, artifact=file, file_name=name, actor=actor, reason=WHY, **more)


def stored() -> set[str]:
    root = default_storage.path("artifacts")
    return {str(path) for path in Path(root).rglob("*") if path.is_file()} if default_storage.exists(root) else set()


def test_versions_count_up_and_an_artifact_is_kept_once(model, developer, scorecard_file):
    one, two = register(model, developer, scorecard_file), register(model, developer, scorecard_file, label="again")
    assert (one.number, two.number, two.name) == (1, 2, "v2 (again)")
    assert one.artifact == two.artifact
    assert one.digest == "sha256:" + hashlib.sha256(scorecard_file).hexdigest()
    assert one.artifact.format == "skops"
    with storage.open_kept(one.artifact.path) as file:
        assert file.read() == scorecard_file


def test_the_entry_states_the_digest(model, developer, scorecard_file):
    version = register(model, developer, scorecard_file, facts={"C": 0.1, "größe": "klein"})
    entry = Entry.objects.get(type="registry.version.registered").content
    assert entry["subject"]["id"] == str(version.pk)
    assert entry["facts"]["digest"] == version.digest
    assert entry["facts"]["model"] == model.slug


def test_a_version_needs_no_artifact(model, developer):
    assert register(model, developer).digest == ""


def test_a_half_written_file_is_written_anew(model, developer, scorecard_file):
    sha256 = hashlib.sha256(scorecard_file).hexdigest()
    path = f"artifacts/{sha256[:2]}/{sha256[2:4]}/{sha256}"
    default_storage.delete(path)
    default_storage.save(path, ContentFile(scorecard_file[:100]))
    version = register(model, developer, scorecard_file)
    with storage.open_kept(version.artifact.path) as file:
        assert file.read() == scorecard_file


@pytest.mark.parametrize(
    ("data", "name", "more", "status", "sentence"),
    [
        (pickle.dumps({"a": 1}), "model.pkl", {}, 422, "pickle"),
        (pickle.dumps([1] * 500, protocol=2), "model.skops", {}, 422, "pickle"),
        (b"", "empty.onnx", {}, 422, "is empty"),
        (b"\x89PNG\r\n\x1a\n", "x.ubj", {}, 422, "x.ubj is"),
        (b"tree\n", "x.txt", {"digest": "sha256:" + "0" * 64}, 422, "sha256:" + "0" * 64),
        (b"tree\n", "x.txt", {"digest": "md5:1"}, 422, "is no digest"),
        (None, "", {"digest": "sha256:" + "0" * 64}, 422, "no artifact came with it"),
        (None, "", {"facts": {"x": {"y": [float("nan")]}}}, 422, "facts.x.y.0 is nan"),
        (None, "", {"facts": {"a\0": 1}}, 422, "can’t be stored"),
        (None, "", {"facts": [1]}, 422, "facts must be a JSON object"),
        (None, "", {"facts": {"x": "y" * 100_001}}, 422, "at most 100,000 fit"),
        (None, "", {"label": "x" * 61}, 422, "label holds 61 characters"),
    ],
)
def test_bad_input_leaves_neither_row_nor_file(model, developer, data, name, more, status, sentence):
    before = stored()
    with pytest.raises(BadInput) as bad:
        register(model, developer, data, name, **more)
    assert (bad.value.status, sentence in bad.value.sentence) == (status, True), bad.value.sentence
    assert not Version.objects.exists()
    assert not Artifact.objects.exists()
    assert stored() == before


def test_both_digests_are_named(model, developer):
    with pytest.raises(BadInput, match=hashlib.sha256(b"tree\n").hexdigest()):
        register(model, developer, b"tree\n", digest="sha256:" + "0" * 64)


def test_a_file_over_the_limit_is_413_and_says_both_sizes(model, developer, settings):
    settings.MAX_UPLOAD_BYTES = 1024 * 1024
    with pytest.raises(BadInput, match=r"model\.skops holds 2 MB; at most 1 MB") as large:
        register(model, developer, b"x" * 2 * 1024 * 1024)
    assert large.value.status == 413


def test_an_auditor_may_not_register_a_version(model, auditor, scorecard_file):
    before = stored()
    with pytest.raises(Refused):
        register(model, auditor, scorecard_file)
    assert stored() == before


def test_lineage_comes_with_the_version_in_one_entry(model, version, dataset, developer):
    entries = Entry.objects.count()
    child = register(model, developer, trained_on=[dataset, dataset], derived_from=version)
    assert Entry.objects.count() == entries + 1
    edges = {(edge.kind, edge.source) for edge in Lineage.objects.filter(to_version=child)}
    assert edges == {("trained_on", dataset), ("derived_from", version)}


def test_a_card_section_is_replaced_and_the_trail_keeps_every_text(version, developer, owner):
    for actor, text in ((developer, "Scores applicants."), (owner, "Scores applicants for consumer credit.")):
        cards.write_section(version=version, section="intended_use", text=text, actor=actor, reason=WHY)
    section = version.card_sections.get()
    assert (section.text, section.written_by) == ("Scores applicants for consumer credit.", owner)
    told = [
        entry.content["facts"]["text"] for entry in Entry.objects.filter(type="registry.card.written").order_by("at")
    ]
    assert told == ["Scores applicants.", "Scores applicants for consumer credit."]


def test_the_longest_section_fits_into_an_entry(version, developer):
    cards.write_section(version=version, section="factors", text="𝕏" * cards.LONGEST, actor=developer, reason=WHY)


def test_an_unknown_section_and_an_endless_text_are_refused(version, developer):
    with pytest.raises(BadInput, match="no section “fun”; it has model_details"):
        cards.write_section(version=version, section="fun", text="x", actor=developer, reason=WHY)
    with pytest.raises(BadInput, match="at most 15,000 fit"):
        cards.write_section(version=version, section="factors", text="x" * 15_001, actor=developer, reason=WHY)
