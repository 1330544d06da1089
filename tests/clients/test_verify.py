"""The offline verifier: an honest pack holds; every altered byte and every broken link fails and is named."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tests import authority, packs
from tests.packs import ADDED, FOLDER, MEASURED, RELEASED, SIGNED, SIGNED_BY_PASSKEY, at
from trail import merkle, packing, proofs
from trail.canonical import canonical, digest

verifier = packs.program()

PINS = verifier.read_pins(packs.VKEY)
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
STORY = packs.story()
ENTRIES = packs.entries(events=STORY)
HONEST = packs.sealed(ENTRIES)
ANCHORED_ENTRIES, STAMP = packs.anchored_entries()
ANCHORED = packs.sealed(ANCHORED_ENTRIES)
NOTE = ANCHORED_ENTRIES["checkpoint.txt"].decode()


def verify(data: bytes, pins: Any = PINS) -> dict[str, Any]:
    answer: dict[str, Any] = verifier.verify(io.BytesIO(data), pins)
    return answer


def broken(data: bytes, pins: Any = PINS) -> str:
    """What the verifier says against a pack; it has to say something."""
    answer = verify(data, pins)
    assert answer["verdict"] == "does not hold"
    assert answer["broken"]
    assert not any("Error" in sentence for sentence in answer["broken"]), answer["broken"]
    return "\n".join(answer["broken"])


def holds(data: bytes, pins: Any = PINS) -> dict[str, Any]:
    answer = verify(data, pins)
    assert answer["broken"] == []
    assert answer["verdict"] == "holds"
    return answer


@pytest.fixture(scope="module")
def all_pins(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return verifier.read_pins(str(packs.all_pins(tmp_path_factory.mktemp("pins"))))


def pinned(folder: Path, *lines: str) -> Any:
    return verifier.read_pins(str(packs.written_pins(folder, *lines)))


def changed(index: int, **changes: Any) -> dict[int, Any]:
    """The story with other facts in one event."""
    kind = json.loads(STORY[index].body)
    facts = {name[6:]: value for _, name, value in json.loads(STORY[index].disclosed) if name.startswith("facts.")}
    actor, subject = changes.pop("actor", kind["actor"]["id"]), changes.pop("subject", kind["subject"]["id"])
    return {**STORY, index: packs.event(kind["type"], subject=subject, actor=actor, facts={**facts, **changes})}


# --- an honest pack


def test_an_honest_pack_holds_and_says_what_was_checked() -> None:
    answer = holds(HONEST)
    assert answer["pack"] == packs.PACK
    assert len(answer["checks"]) == len(verifier.CHECKS)
    assert {each["holds"] for each in answer["checks"]} == {True, None}
    assert any("5 events stand in the log" in sentence for sentence in answer["holds"])
    assert any(sentence.startswith("time:") for sentence in answer["unchecked"])
    assert "the server's word for 1 of 2 of them" in "\n".join(answer["unchecked"])


def test_a_pack_that_others_signed_and_stamped_holds_under_all_pins(all_pins: Any) -> None:
    answer = holds(ANCHORED, all_pins)
    assert {each["holds"] for each in answer["checks"]} == {True}
    said = "\n".join(answer["holds"])
    assert f"by the pinned cosigner {packs.COSIGNER_NAME} (ML-DSA-44), which states 2026-01-02 03:04:05 UTC" in said
    assert f"by the pinned witness {packs.WITNESS_NAME} (Ed25519)" in said
    assert "checkpoint was there at 2026-01-02 03:05:06 UTC" in said
    signed = answer["checkpoint"]["signed"]
    assert [each["role"] for each in signed] == ["log", "cosigner", "witness"]
    assert answer["checkpoint"]["stamped"] == [{"at": authority.AT.isoformat()}]


def test_what_is_there_but_not_pinned_is_told() -> None:
    said = "\n".join(holds(ANCHORED)["unchecked"])
    assert f"2 signatures by {packs.COSIGNER_NAME}, {packs.WITNESS_NAME}, whose keys are not pinned" in said
    assert "checkpoint.tst: a time stamp, but no authority is pinned" in said


def test_the_report_for_machines_names_each_check_once() -> None:
    names = [each["name"] for each in verify(HONEST)["checks"]]
    assert names == [
        "container", "files", "manifest", "seal", "checkpoint", "cosignatures", "time_stamp", "anchors", "proofs",
        "events", "disclosures", "json", "signatures", "order", "runs", "attestations", "policies",
    ]  # fmt: skip
    answer = verify(HONEST)
    assert [each["verified"] for each in answer["signatures"]] == [False, True]
    assert answer["disclosed"]["erased"] == 0
    assert json.loads(json.dumps(answer)) == answer


def test_a_pack_without_a_release_needs_no_attestation() -> None:
    events = {index: sealed for index, sealed in STORY.items() if index != RELEASED}
    parts = packs.entries(events=events)
    del parts[packs.ATTESTATION]
    holds(packs.sealed(parts))


def test_a_pack_of_an_empty_log_holds() -> None:
    required = [*verifier.REQUIRED, *packs.of_version()]
    parts = {path: data for path, data in ENTRIES.items() if path in required}
    parts |= packs.evidence({}, size=0) | {"anchors.json": b"[]"}
    answer = holds(packs.sealed(parts, pack={**packs.PACK, "size": 0}))
    assert "anchors: as the issuer states, nobody outside holds any checkpoint of this log." in answer["unchecked"]


def test_events_of_evidence_that_is_not_in_the_pack_are_told() -> None:
    left_out = packs.RUN_PATH, packs.SIGNATURE_PATH
    answer = holds(packs.sealed({path: data for path, data in ENTRIES.items() if path not in left_out}))
    assert f"{at(MEASURED)}.json: records a run the pack does not carry." in answer["unchecked"]
    assert f"{at(SIGNED)}.json: records a signature the pack does not carry." in answer["unchecked"]


def test_a_pack_of_several_versions_holds() -> None:
    other = "versions/other-v2"
    second = {**packs.VERSION, "path": other, "version_id": "v2", "artifact_digest": ""}
    parts = {**ENTRIES, **packs.of_version(folder=other)}
    pack = {**packs.PACK, "versions": [packs.VERSION, second]}
    holds(packs.sealed(parts, pack=pack))
    assert f"{other}/card.md: could not check: the manifest names no such version" in broken(packs.sealed(parts))
    lacking = {path: data for path, data in parts.items() if path != f"{other}/gate.json"}
    assert f"{other}/gate.json: is missing" in broken(packs.sealed(lacking, pack=pack))
    twice = {**packs.PACK, "versions": [packs.VERSION, packs.VERSION]}
    assert "names a version's folder twice" in broken(packs.sealed(ENTRIES, pack=twice))


def test_a_pack_as_of_a_past_moment_says_so() -> None:
    answer = holds(packs.sealed(ENTRIES, pack={**packs.PACK, "as_of": "2026-01-01T00:00:00+00:00"}))
    assert "as of 2026-01-01T00:00:00+00:00" in next(verifier.lines_of(answer, "pack"))


def test_any_zip_program_reads_the_pack() -> None:
    with zipfile.ZipFile(io.BytesIO(HONEST)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [*ENTRIES, "manifest.json", "manifest.sig"]
        assert all(archive.read(path) == data for path, data in ENTRIES.items())


def test_what_packing_writes_is_what_these_tests_check(tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    with path.open("wb") as file:
        packing.write_pack(file, ENTRIES.items(), pack=packs.PACK, name=packs.ORIGIN, private_key=packs.PRIVATE)
    assert path.read_bytes() == HONEST


# --- the container


LIMITS = [packing.Limits(entries=5), packing.Limits(size=300), packing.Limits(size=5000), packing.Limits(10, 10)]


def large_from(monkeypatch: pytest.MonkeyPatch, limits: packing.Limits) -> None:
    monkeypatch.setattr(verifier, "MANY", limits.entries)
    monkeypatch.setattr(verifier, "LARGE", limits.size)


@pytest.mark.parametrize("limits", LIMITS)
def test_a_large_pack_is_zip64_where_it_has_to_be(limits: packing.Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    large = packs.zipped(packs.seal(ENTRIES), limits=limits)
    assert large != HONEST
    assert "container" in broken(large), "records for a size that plain ZIP can state"
    large_from(monkeypatch, limits)
    holds(large)
    assert "container" in broken(HONEST)
    for place in range(0, len(large), 71):
        altered = bytearray(large)
        altered[place] ^= 0x01
        assert verify(bytes(altered))["verdict"] == "does not hold", place


def first_broken(data: bytes, pins: Any) -> list[str]:
    """What the first check that fails says. Which one it is makes no difference to the verdict."""
    try:
        pack = verifier.Pack(io.BytesIO(data), pins)
    except verifier.Broken as said:
        return said.sentences
    for check in verifier.CHECKS:
        try:
            check(pack)
        except verifier.Broken as said:
            return said.sentences
    return []


def smallest() -> bytes:
    """A run and its event; the log's other events are not in it."""
    events = {MEASURED: STORY[MEASURED]}
    left_out = packs.SIGNATURE_PATH, packs.PASSKEY_PATH, packs.ATTESTATION
    entries = packs.entries(events=events)
    return packs.sealed({path: data for path, data in entries.items() if path not in left_out})


@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80])
def test_no_altered_byte_passes(mask: int) -> None:
    small = smallest()
    holds(small)
    altered = bytearray(small)
    for place in range(len(small)):
        altered[place] ^= mask
        assert first_broken(bytes(altered), PINS), place
        altered[place] ^= mask


@pytest.mark.parametrize("start", range(3))
def test_whatever_is_altered_every_check_says_in_words_what_it_found(start: int, all_pins: Any) -> None:
    for place in range(start, len(ANCHORED), 61):
        altered = bytearray(ANCHORED)
        altered[place] ^= (0x01, 0x20, 0x80)[start]
        assert broken(bytes(altered), all_pins)


@given(st.data())
def test_no_cut_inserted_or_doubled_piece_passes(data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(HONEST)))
    end = data.draw(st.integers(begin, len(HONEST)))
    piece = data.draw(st.sampled_from([b"", HONEST[begin:end] * 2]) | st.binary(max_size=40))
    altered = HONEST[:begin] + piece + HONEST[end:]
    if altered != HONEST:
        assert broken(altered)


@given(st.binary(max_size=200))
def test_no_other_bytes_pass(data: bytes) -> None:
    assert broken(data)
    assert broken(b"PK\3\4" + data)


@pytest.mark.parametrize("path", sorted(ENTRIES))
def test_an_altered_file_is_named(path: str) -> None:
    honest = packs.seal(ENTRIES)
    assert f"{path}: was altered" in broken(packs.zipped({**honest, path: honest[path][:-1] + b"~"}))


def test_all_altered_files_are_named() -> None:
    honest = packs.seal(ENTRIES)
    card = f"{FOLDER}/card.md", f"{FOLDER}/card.html"
    said = broken(packs.zipped({**honest, card[0]: b"# Cart\n", card[1]: b"<p>Cart</p>"}))
    assert f"{card[0]}: was altered" in said
    assert f"{card[1]}: was altered" in said


def test_a_pack_that_was_zipped_anew_is_refused() -> None:
    """The same files, but bytes between them that nobody signed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive, zipfile.ZipFile(io.BytesIO(HONEST)) as honest:
        for name in honest.namelist():
            archive.writestr(name, honest.read(name))
    assert "container: is not byte for byte what the files make" in broken(file.getvalue())


def test_entries_in_another_order_are_refused() -> None:
    honest = packs.seal(ENTRIES)
    first, *rest = list(honest)[:-2]
    order = [*rest, first, "manifest.json", "manifest.sig"]
    assert "container" in broken(packs.zipped({path: honest[path] for path in order}))


def test_a_file_that_stands_twice_is_refused() -> None:
    half = len(packs.zipped({"README.txt": b"x"}).partition(b"PK\1\2")[0])
    assert "README.txt: stands in the pack twice" in broken(packs.zipped({"README.txt": b"x"})[:half] * 2)


@pytest.mark.parametrize("path", ["../up", "/root", "a//b", "a b", "x\n", "n" * 201, "a/.hidden"])
def test_a_dangerous_name_is_refused(path: str) -> None:
    header = verifier.local_header(path, 0, 0)
    assert "container: is damaged" in broken(header + verifier.end_records(1, 0, len(header)))


def test_a_pack_that_changes_while_it_is_read_is_refused() -> None:
    file = io.BytesIO(HONEST)
    pack = verifier.Pack(file, PINS)
    file.getbuffer()[HONEST.index(b"0.7512")] ^= 1
    with pytest.raises(verifier.Broken, match="changed while it was read"):
        verifier.check_runs(pack)


# --- files and manifest


def test_a_file_more_or_less_than_the_manifest_lists_is_named() -> None:
    honest = packs.seal(ENTRIES)
    less = {path: data for path, data in honest.items() if path != f"{FOLDER}/card.md"}
    assert f"{FOLDER}/card.md: is missing" in broken(packs.zipped(less))
    more = {f"{FOLDER}/runs/another.json": b"{}", **honest}
    assert f"{FOLDER}/runs/another.json: is not in the manifest" in broken(packs.zipped(more))


@pytest.mark.parametrize(
    "path",
    [
        "extra.bin", f"{FOLDER}/runs/a.txt", f"{FOLDER}/runs/a/b.json", "events/1.json", "verify.py", "card.json",
        "versions/other-v1/card.json", "runs/a.json", "proofs.json", "events/000000000000.tlog-proof",
        "events/000000000000.disclosed.json", f"{FOLDER}/x/card.json",
    ],
)  # fmt: skip
def test_a_file_the_layout_does_not_know_could_not_be_checked(path: str) -> None:
    assert f"{path}: could not check" in broken(packs.sealed({**ENTRIES, path: b"{}"}))


@pytest.mark.parametrize(
    "path",
    sorted(
        {*verifier.REQUIRED, *packs.of_version(), f"{at(SIGNED)}.tlog-proof", f"{at(SIGNED)}.disclosed.json"}
        - {"manifest.json", "manifest.sig"}
    ),
)
def test_a_required_file_that_was_never_packed_is_missed(path: str) -> None:
    said = broken(packs.sealed({kept: data for kept, data in ENTRIES.items() if kept != path}))
    assert f"{path}: is missing" in said


def test_a_manifest_signed_by_a_stranger_is_refused() -> None:
    assert "manifest.sig: is not signed with the pinned key" in broken(packs.sealed(ENTRIES, private_key=STRANGER))


def test_the_manifest_of_another_pack_is_refused() -> None:
    one, other = packs.seal(ENTRIES), packs.seal(ENTRIES, pack={**packs.PACK, "id": "8"})
    mixed = {**one, "manifest.sig": other["manifest.sig"]}
    assert "manifest.json: is not the manifest that was signed" in broken(packs.zipped(mixed))


def test_a_note_for_another_purpose_is_no_seal() -> None:
    listed = packs.manifest(ENTRIES)
    text = "another purpose\n" + packing.manifest_text(packs.PACK["id"], listed).partition("\n")[2]
    note = packs.notes.sign_note(text, name=packs.ORIGIN, private_key=packs.PRIVATE).encode()
    data = packs.zipped({**ENTRIES, "manifest.json": listed, "manifest.sig": note})
    assert "manifest.sig: was signed for another purpose" in broken(data)


def test_nobody_else_can_sign_beside_the_issuer() -> None:
    honest = packs.seal(ENTRIES)
    added = honest["manifest.sig"] + "— other.test AAAAAAAAAAAA\n".encode()
    said = broken(packs.zipped({**honest, "manifest.sig": added}))
    assert "manifest.sig: carries more than the one signature" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((b'{"files"', b'{"v":2,"files"'), "has a key twice"),
        ((b'"v":2', b'"v":1'), "could not check: it is of a version"),
        ((b'"v":2', b'"v":2.0'), "v is missing or of the wrong type"),
        ((b'"v":2}', b'"v": 2}'), "is not in canonical form"),
        ((b'"size":9,', b'"size":true,'), "size is missing or of the wrong type"),
        ((b'"path":"versions/scorecard-v1"', b'"path":"events"'), "in a form it cannot have"),
        ((b'"origin":"countersign.test/log"', b'"origin":"countersign.test/lag"'), "not of the one the manifest names"),
        ((b'"size":9,', b'"size":8,'), "not of as many as the manifest states"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(change: tuple[bytes, bytes], said: str) -> None:
    assert said in broken(packs.signed_manifest(ENTRIES, packs.manifest(ENTRIES).replace(*change)))


def test_a_manifest_that_lists_a_file_twice_is_refused() -> None:
    content = json.loads(packs.manifest(ENTRIES))
    content["files"].append(content["files"][0])
    assert "manifest.json: lists a file twice" in broken(packs.signed_manifest(ENTRIES, canonical(content)))


# --- JSON that can be read in two ways, or in none

JSON_FILES = sorted(path for path in ENTRIES if path.endswith(".json"))
OBJECTS = [path for path in JSON_FILES if ENTRIES[path][:1] == b"{"]
DEEP, LONG = b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"


@pytest.mark.parametrize("path", OBJECTS)
def test_a_json_file_with_a_key_twice_is_refused(path: str) -> None:
    key = next(iter(json.loads(ENTRIES[path])), "a")
    twice = b"{" + json.dumps(key).encode() + b':null,"b":1,' + ENTRIES[path][1:]
    twice = twice if ENTRIES[path] != b"{}" else b'{"a":1,"a":2}'
    assert f"{path}: has a key twice" in broken(packs.sealed({**ENTRIES, path: twice}))


def test_a_key_twice_far_inside_is_refused() -> None:
    inside = ENTRIES[packs.RUN_PATH].replace(b'"auc":0.7512', b'"auc":0.7512,"auc":0.9')
    assert "has a key twice" in broken(packs.sealed({**ENTRIES, packs.RUN_PATH: inside}))
    anchors = ENTRIES["anchors.json"].replace(b'"size":1', b'"size":1,"size":9')
    assert "anchors.json: has a key twice" in broken(packs.sealed({**ENTRIES, "anchors.json": anchors}))
    shown = packs.statement().replace(b'"role":', b'"role":"owner","role":')
    twice = packs.signature_file(shown)
    assert f"{packs.SIGNATURE_PATH}: has a key twice" in broken(packs.sealed(packs.entries(signature=twice)))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff", b"null", b"{", b'{"a":NaN}', b"\xef\xbb\xbf{}", b"1",
        pytest.param(DEEP, id="deep"), pytest.param(LONG, id="long number"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", JSON_FILES)
def test_a_file_that_is_no_json_is_refused(path: str, content: bytes) -> None:
    assert f"{path}: is not" in broken(packs.sealed({**ENTRIES, path: content}))


@given(st.data())
def test_signed_nonsense_neither_passes_nor_crashes(data: st.DataObject) -> None:
    """Any value in place of any other, in any file. Only what nothing else is bound to may then still hold."""
    path = data.draw(st.sampled_from(JSON_FILES))
    content = json.loads(ENTRIES[path])
    holder, key = data.draw(st.sampled_from(places(content) or [({"": content}, "")]))
    before = json.dumps(holder[key])
    holder[key] = data.draw(st.sampled_from([None, True, 0, -1, 10**30, 0.5, "", "sha256:", [], [[]], {}, {"a": []}]))
    answer = verify(packs.sealed({**ENTRIES, path: canonical_json(content)}))
    assert not any("Error" in sentence for sentence in answer["broken"]), answer["broken"]
    if answer["verdict"] == "holds":
        free = ("card.json", "gate.json", packs.SIGNATURE_PATH, packs.PASSKEY_PATH, "oscal.json", "anchors.json")
        assert json.dumps(holder[key]) == before or path.endswith(free)


def places(content: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    keys = list(content) if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    return [(content, key) for key in keys] + [place for key in keys for place in places(content[key])]


def canonical_json(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


# --- events, proofs, checkpoint: even an issuer who signs anything can't make these fit


def test_swapped_events_are_refused() -> None:
    one, other = f"{at(MEASURED)}.json", f"{at(SIGNED)}.json"
    said = broken(packs.sealed({**ENTRIES, one: ENTRIES[other], other: ENTRIES[one]}))
    assert f"{one}: its inclusion proof does not lead to the root" in said
    assert f"{other}: its inclusion proof does not lead to the root" in said


def test_a_rewritten_event_has_no_proof() -> None:
    path = f"{at(SIGNED)}.json"
    rewritten = ENTRIES[path].replace(b'"id":"u1"', b'"id":"u9"')
    assert f"{path}: its inclusion proof" in broken(packs.sealed({**ENTRIES, path: rewritten}))


def test_an_event_at_another_place_is_refused() -> None:
    moved = {path.replace(at(SIGNED), at(5)): data for path, data in ENTRIES.items()}
    assert f"{at(5)}.tlog-proof: is not the proof of event 5" in broken(packs.sealed(moved))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((b"index 3\n", b"index 2\n"), ".tlog-proof: is not the proof of event 3"),
        ((b"index 3\n", b"index 03\n"), ".tlog-proof: is not the proof of event 3"),
        ((b"@v1\n", b"@v2\n"), ".tlog-proof: is not the proof of event 3"),
        ((b"@v1\n", b"@v1\nextra AAAA\n"), ".tlog-proof: is not the proof of event 3"),
        ((b"index 3\n", b"index 3\nAAAA\n"), ".tlog-proof: holds a line that is no hash"),
        ((b"index 3\n", b"index 3\n\n"), ".tlog-proof: holds a line that is no hash"),
        ((b"index 3\n", b"index 3\n" + b64encode(bytes(32)) + b"\n"), ".json: its inclusion proof"),
        ((b"\n9\n", b"\n8\n"), ".tlog-proof: carries another checkpoint"),
    ],
)
def test_a_wrong_proof_names_its_event(change: tuple[bytes, bytes], said: str) -> None:
    path = f"{at(SIGNED)}.tlog-proof"
    assert change[0] in ENTRIES[path]
    altered = ENTRIES[path].replace(*change, 1)
    assert at(SIGNED) + said in broken(packs.sealed({**ENTRIES, path: altered}))


def test_a_proof_of_a_smaller_log_is_refused() -> None:
    """Honest then, but not of this pack's checkpoint."""
    path, bodies = f"{at(SIGNED)}.tlog-proof", packs.leaves(STORY)[:5]
    steps = merkle.inclusion_proof(SIGNED, [merkle.leaf_hash(body) for body in bodies])
    then = proofs.write(SIGNED, steps, packs.checkpoint(bodies)).encode()
    assert f"{path}: carries another checkpoint" in broken(packs.sealed({**ENTRIES, path: then}))


def test_an_index_beyond_the_log_is_refused() -> None:
    beyond = packs.evidence({12: packs.event("a.b.c", subject="s")}, size=13, note=ENTRIES["checkpoint.txt"].decode())
    said = broken(packs.sealed({**ENTRIES, **beyond}))
    assert f"{at(12)}.json: its inclusion proof" in said


def test_a_checkpoint_of_a_stranger_or_another_log_is_refused() -> None:
    text = packs.text_of(NOTE).decode()
    stranger = packs.notes.sign_note(text, name=packs.ORIGIN, private_key=STRANGER).encode()
    assert "checkpoint.txt: is not signed" in broken(packs.sealed({**ENTRIES, "checkpoint.txt": stranger}))
    moved = text.replace(packs.ORIGIN, "elsewhere.test")
    elsewhere = packs.notes.sign_note(moved, name=packs.ORIGIN, private_key=packs.PRIVATE).encode()
    assert "of the log elsewhere.test" in broken(packs.sealed({**ENTRIES, "checkpoint.txt": elsewhere}))
    more = packs.notes.sign_note(text + "more\n", name=packs.ORIGIN, private_key=packs.PRIVATE).encode()
    assert "checkpoint.txt: could not check" in broken(packs.sealed({**ENTRIES, "checkpoint.txt": more}))


@pytest.mark.parametrize(
    "line", ["— a b", "- countersign.test AAAAAAAA", "—  AAAAAAAA", "— a+b AAAAAAAA", "— a AAAA", "", "— a AAAAAAB="]
)
def test_a_line_that_is_no_signature_spoils_the_note(line: str) -> None:
    note = ENTRIES["checkpoint.txt"] + line.encode() + b"\n"
    said = broken(packs.sealed({**ENTRIES, "checkpoint.txt": note}))
    assert "checkpoint.txt: " in said


# --- sealed values


def resealed(index: int, change: Callable[[list[Any]], Any]) -> bytes:
    """The pack with other disclosures of one event, signed by the issuer."""
    path = f"{at(index)}.disclosed.json"
    triples = json.loads(ENTRIES[path])
    triples = change(triples) or triples
    return packs.sealed({**ENTRIES, path: canonical_json(triples)})


def set_value(triples: list[Any]) -> None:
    triples[-1][2] = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_value, "is not what its event sealed"),
        (lambda triples: triples[0].__setitem__(0, b64encode(bytes(16)).decode()), "is not what its event sealed"),
        (lambda triples: triples[0].__setitem__(0, "AAAA"), "the salt of actor.name is not 16 bytes"),
        (lambda triples: triples[0].__setitem__(1, "facts.more"), "discloses facts.more, which its event did not seal"),
        (lambda triples: triples.append(triples[-1]), "twice"),
        (lambda triples: triples.reverse(), "is not in the order of its names"),
        (lambda triples: triples[0].append(1), "something that is no salt, name and value"),
        (lambda triples: triples.append({}), "something that is no salt, name and value"),
        (lambda triples: triples[0].__setitem__(1, 7), "something that is no salt, name and value"),
        (lambda triples: triples[0].__setitem__(2, 0.5), "is not valid JSON"),
        (lambda triples: {"values": triples}, "is not a JSON array"),
    ],
)
def test_a_disclosure_that_does_not_fit_is_refused(change: Callable[[list[Any]], Any], said: str) -> None:
    found = broken(resealed(SIGNED, change))
    assert f"{at(SIGNED)}.disclosed.json: " in found
    assert said in found


def test_a_value_with_another_salt_or_under_another_name_is_refused() -> None:
    """Values of one event that are equal still have commitments of their own."""

    def swap(triples: list[Any]) -> None:
        triples[0][1], triples[1][1] = triples[1][1], triples[0][1]
        triples[:2] = triples[1::-1]

    assert "is not what its event sealed" in broken(resealed(SIGNED, swap))


def test_the_disclosure_of_another_event_is_refused() -> None:
    one, other = f"{at(SIGNED)}.disclosed.json", f"{at(SIGNED_BY_PASSKEY)}.disclosed.json"
    said = broken(packs.sealed({**ENTRIES, one: ENTRIES[other], other: ENTRIES[one]}))
    assert f"{one}: actor.name is not what its event sealed" in said
    assert f"{packs.SIGNATURE_PATH}: no event of the log records" in said


def test_a_disclosure_in_another_spelling_is_refused() -> None:
    path = f"{at(SIGNED)}.disclosed.json"
    assert f"{path}: is not in canonical form" in broken(packs.sealed({**ENTRIES, path: ENTRIES[path] + b"\n"}))


def test_erased_values_are_told_from_those_kept_back() -> None:
    gone = ["actor.name", "reason"]
    events = {**STORY, SIGNED: packs.erased(STORY[SIGNED], *gone)}
    silent = holds(packs.sealed(packs.entries(events=events)))
    assert silent["disclosed"]["not_disclosed"] == {f"{at(SIGNED)}.json": gone}
    told = f"{at(SIGNED)}.json: not disclosed, and no event says it was erased: actor.name, reason."
    assert told in silent["unchecked"]

    listed = {json.loads(STORY[SIGNED].body)["id"]: ["actor.name"]}
    half = holds(packs.sealed(packs.entries(events={**events, packs.ERASED: erasure(listed)})))
    assert half["disclosed"] == {"values": 31, "erased": 1, "not_disclosed": {f"{at(SIGNED)}.json": ["reason"]}}

    listed = {json.loads(STORY[SIGNED].body)["id"]: gone}
    answer = holds(packs.sealed(packs.entries(events={**events, packs.ERASED: erasure(listed)})))
    assert answer["disclosed"]["erased"] == 2
    assert answer["disclosed"]["not_disclosed"] == {}
    assert "2 values were erased, as an event of the log says" in "\n".join(answer["holds"])


def erasure(listed: dict[str, list[str]]) -> Any:
    return packs.event("trail.payload.erased", subject="u1", facts={"count": len(listed), "entries": listed})


def test_a_fact_that_is_kept_back_proves_nothing() -> None:
    events = {**STORY, SIGNED: packs.erased(STORY[SIGNED], "facts.digest")}
    assert f"{packs.SIGNATURE_PATH}: no event of the log records" in broken(packs.sealed(packs.entries(events=events)))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"v":2', b'"v":3', "could not check"),
        (b'"v":2', b'"v": 2', "is not in canonical form"),
        (b'"v":2', b'"v":2,"v":2', "has a key twice"),
        (b'"v":2', b'"v":2.0', "is not valid JSON"),
        (b'"sealed":{', b'"sealed":[{', "is not valid JSON"),
        (b'"rows":""', b'"rows":0', "rows is missing"),
        (b'"rows":""', b'"rows":"AAAA"', "seals something that is no commitment"),
        (b'"kind":"person"', b'"kind":"person","name":"Vera"', "no event of its version holds name"),
        (b'"type":"r', b'"type":"r","typf":"r', "no event of its version holds typf"),
        (b'"kind":"person"', b'"kind":null', "kind is missing"),
        (b'"subject.label":"', b'"subject.label":"A', "seals something that is no commitment"),
    ],
)
def test_an_unreadable_event_is_refused_even_if_the_log_holds_it(old: bytes, new: bytes, said: str) -> None:
    sealed = packs.event("registry.version.registered", subject="v1")
    assert old in sealed.body
    odd = packs.sealing.Sealed(sealed.body.replace(old, new), sealed.disclosed, {})
    assert f"{at(5)}.json: {said}" in broken(packs.sealed(packs.entries(events={**STORY, 5: odd}))).replace(
        "could not check: no event", "no event"
    )


# --- what is pinned: keys with ranges, cosigners, witnesses


def test_the_pack_does_not_hold_under_another_key() -> None:
    assert "is not signed with the pinned key" in broken(HONEST, verifier.read_pins(packs.NEXT_VKEY))
    renamed = verifier.read_pins(packs.notes.vkey("other.test", packs.PUBLIC))
    assert "is not signed with the pinned key" in broken(HONEST, renamed)


@pytest.mark.parametrize(
    ("sizes", "fits"),
    [("0-9", True), ("7-", True), ("7-9", True), ("0-", True), ("0-8", False), ("10-", False), ("10-99", False)],
)
def test_a_key_signs_only_within_its_sizes(sizes: str, fits: bool, tmp_path: Path) -> None:
    pins = pinned(tmp_path, f"log {packs.NEXT_VKEY} sizes 100-", f"log {packs.VKEY} sizes {sizes}")
    if fits:
        holds(HONEST, pins)
    else:
        assert "is pinned for sizes" in broken(HONEST, pins)


def test_after_a_rotation_each_key_vouches_for_its_own_time(tmp_path: Path) -> None:
    """The attestation is of the old key's time, checkpoint and seal are of the new one's."""
    note = packs.checkpoint(packs.leaves(STORY), private_key=packs.NEXT)
    data = packs.sealed(packs.entries(events=STORY, note=note), private_key=packs.NEXT)
    assert "not signed with the pinned key" in broken(data)
    old, new = f"log {packs.VKEY} sizes 0-%d", f"log {packs.NEXT_VKEY} sizes %d-"
    holds(data, pinned(tmp_path, old % 8, new % 9))
    said = broken(data, pinned(tmp_path, old % RELEASED, new % (RELEASED + 1)))
    assert f"{packs.ATTESTATION}: is not signed with the pinned key" in said
    assert "and this is size 9" in broken(data, pinned(tmp_path, old % 9, new % 10))


def test_a_pinned_cosigner_or_witness_has_to_sign(tmp_path: Path) -> None:
    log = f"log {packs.VKEY}"
    said = broken(HONEST, pinned(tmp_path, log, f"cosigner {packs.COSIGNER_VKEY}", f"witness {packs.WITNESS_VKEY}"))
    assert f"checkpoint.txt: is not signed by the pinned cosigner {packs.COSIGNER_NAME}" in said
    assert f"checkpoint.txt: is not signed by the pinned witness {packs.WITNESS_NAME}" in said
    assert "checkpoint.tst: is missing" in broken(HONEST, pinned(tmp_path, log, "tsa tsa.pem"))


@pytest.mark.parametrize("name", [packs.COSIGNER_NAME, packs.WITNESS_NAME])
def test_every_altered_byte_of_a_cosignature_is_refused(name: str, all_pins: Any) -> None:
    lines = NOTE.splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if f" {name} " in line)
    signed = verifier.b64decode(lines[place].split()[-1])
    for at_byte in range(4, len(signed), 1 if len(signed) < 200 else 61):
        forged = bytearray(signed)
        forged[at_byte] ^= 0x10
        lines[place] = f"— {name} {b64encode(forged).decode()}\n"
        checkpoint = verifier.read_checkpoint("".join(lines).encode(), "checkpoint.txt", all_pins.logs)
        with pytest.raises(verifier.Broken, match="does not fit: one of them was altered"):
            verifier.cosigned(checkpoint, all_pins, {})


def test_a_cosignature_of_another_checkpoint_is_refused(all_pins: Any) -> None:
    other = packs.cosigned(packs.checkpoint([b"another log"] * packs.SIZE))
    block = other.partition("\n\n")[2].splitlines()[1:]
    note = ENTRIES["checkpoint.txt"].decode() + "\n".join(block) + "\n"
    said = broken(packs.sealed({**packs.entries(events=STORY, note=note), "checkpoint.tst": STAMP}), all_pins)
    assert f"the signature of the cosigner {packs.COSIGNER_NAME} does not fit" in said
    assert f"the signature of the witness {packs.WITNESS_NAME} does not fit" in said


def test_a_cosigner_that_states_no_time_is_refused(all_pins: Any) -> None:
    text = packs.text_of(NOTE).decode()
    message = packs.cosigning.message(b"\x04", packs.WITNESS_NAME, 0, text)
    key_id = packs.notes.key_id(packs.WITNESS_NAME, packs.WITNESS.public_key().public_bytes_raw(), b"\x04")
    timeless = packs.notes.signature_line(packs.WITNESS_NAME, key_id, bytes(8) + packs.WITNESS.sign(message))
    log = packs.notes.sign_note(text, name=packs.ORIGIN, private_key=packs.PRIVATE)
    checkpoint = verifier.read_checkpoint((log + timeless).encode(), "checkpoint.txt", all_pins.logs)
    with pytest.raises(verifier.Broken, match="states a time that is none"):
        verifier.cosigned_at(checkpoint, all_pins.seconds[1])


def test_a_witness_may_use_ml_dsa_too(tmp_path: Path) -> None:
    events, name = STORY, "witness.test/pq"
    note = packs.cosigning.cosign(
        packs.checkpoint(packs.leaves(events)), name=name, private_key=packs.COSIGNER, at=packs.SIGNED_AT
    )
    key = packs.cosigning.vkey(name, packs.COSIGNER.public_key())
    data = packs.sealed(packs.entries(events=events, note=note))
    holds(data, pinned(tmp_path, f"log {packs.VKEY}", f"witness {key}"))
    renamed = packs.cosigning.vkey("witness.test/pr", packs.COSIGNER.public_key())
    assert "is not signed by the pinned witness" in broken(
        data, pinned(tmp_path, f"log {packs.VKEY}", f"witness {renamed}")
    )


PEM = packs.PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    "content",
    [
        packs.VKEY.encode(),
        packs.VKEY.encode() + b"\n",
        b"# ours\n\n" + packs.VKEY.encode() + b"  # newest\n",
        PEM,
        packs.PUBLIC.hex().encode(),
        b64encode(packs.PUBLIC),
        f"log {packs.VKEY}".encode(),
        f"# pins\nlog {packs.VKEY} sizes 0-\n".encode(),
        f"log {packs.NEXT_VKEY} sizes 0-3\nlog {packs.VKEY} sizes 4-9 # then\n".encode(),
    ],
)
def test_a_key_file_may_hold_the_key_in_any_usual_form(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    if b"NEXT" not in content and b"sizes 4" not in content:
        holds(HONEST, verifier.read_pins(str(path)))
    else:
        assert [key.sizes for key in verifier.read_pins(str(path)).logs] == ["0 to 3", "4 to 9"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        packs.VKEY.replace("+", "-", 1).encode(),
        packs.VKEY[:-1].encode(),
        PEM.replace(b"MCow", b"MCox"),
        packs.PUBLIC[:31].hex().encode(),
        bytes(32).hex().encode(),  # a point of small order
        b"ff" * 32,
        packs.PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        packs.WITNESS_VKEY.encode(),
        packs.COSIGNER_VKEY.encode(),
        f"cosigner {packs.COSIGNER_VKEY}".encode(),  # no key of the log
        f"log {packs.VKEY}\ncosigner {packs.WITNESS_VKEY}".encode(),
        f"log {packs.VKEY}\nwitness {packs.VKEY}".encode(),
        f"log {packs.WITNESS_VKEY}".encode(),
        f"log {packs.VKEY} sizes 1".encode(),
        f"log {packs.VKEY} sizes a-b".encode(),
        f"log {packs.VKEY} 1-2".encode(),
        f"log {packs.VKEY}\nwitness {packs.WITNESS_VKEY} sizes 1-2".encode(),
        f"log {packs.VKEY}\nlag {packs.VKEY}".encode(),
        f"log {packs.VKEY}\ntsa".encode(),
        f"log {packs.VKEY}\ntsa none.pem".encode(),
        f"log {packs.VKEY}\ntsa key".encode(),
        f"{packs.VKEY}\n{packs.NEXT_VKEY}".encode(),
    ],
)
def test_what_is_no_public_key_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(verifier.CouldNotRun, match="--key"):
        verifier.read_pins(str(path))


# --- anchors


def test_an_anchor_that_holds_another_tree_of_this_size_shows_a_split_log() -> None:
    data = packs.sealed(packs.entries(events=STORY, anchors=[packs.anchor(size=packs.SIZE)]))
    assert f"anchors.json: witness {packs.WITNESS_NAME} holds another tree of the same size" in broken(data)


def test_the_age_of_the_newest_anchor_is_told() -> None:
    root = b64encode(merkle.root([merkle.leaf_hash(body) for body in packs.leaves(STORY)])).decode()
    later = packs.anchor(kind="tsa", target="tsa.test", size=packs.SIZE, root=root, at="2026-01-02T03:04:35+00:00")
    answer = holds(packs.sealed(packs.entries(events=STORY, anchors=[packs.anchor(), later])))
    assert "30 seconds after this checkpoint; 0 events came after it" in "\n".join(answer["unchecked"])
    earlier = packs.anchor(at="2026-01-02T01:04:05+00:00")
    answer = holds(packs.sealed(packs.entries(events=STORY, anchors=[earlier])))
    assert "2 hours before this checkpoint; 8 events came after it" in "\n".join(answer["unchecked"])


@pytest.mark.parametrize(
    "other", [{"at": "yesterday"}, {"root": "AAAA"}, {"size": -1}, {"size": "1"}, {"kind": None}, {"target": 7}]
)
def test_an_anchor_that_cannot_be_read_is_refused(other: dict[str, Any]) -> None:
    assert "anchors.json: " in broken(packs.sealed(packs.entries(events=STORY, anchors=[packs.anchor(**other)])))


# --- links between files and events


def test_a_result_that_the_log_did_not_record_is_refused() -> None:
    better = packs.run_file().replace(b"0.7512", b"0.9512")
    assert f"{packs.RUN_PATH}: no event of the log records" in broken(packs.sealed({**ENTRIES, packs.RUN_PATH: better}))


def test_a_run_under_another_id_or_of_another_artifact_is_refused() -> None:
    other = f"{FOLDER}/runs/other.json"
    renamed = {(other if path == packs.RUN_PATH else path): data for path, data in ENTRIES.items()}
    assert f"{other}: holds a run with another id" in broken(packs.sealed(renamed))
    foreign = packs.entries(run=packs.run_file(digest(b"else")))
    assert f"{packs.RUN_PATH}: is a run of another artifact" in broken(packs.sealed(foreign))
    moved = packs.entries(run=packs.run_file(version="v2"))
    assert f"{packs.RUN_PATH}: is a run of another version" in broken(packs.sealed(moved))
    events = changed(MEASURED, subject="another run")
    assert f"{packs.RUN_PATH}: no event of the log records" in broken(packs.sealed(packs.entries(events=events)))


def test_a_stripped_attestation_is_missed() -> None:
    stripped = {path: data for path, data in ENTRIES.items() if path != packs.ATTESTATION}
    assert f"{packs.ATTESTATION}: is missing, although an event" in broken(packs.sealed(stripped))


def test_an_attestation_of_another_artifact_key_version_or_release_is_refused() -> None:
    foreign = packs.entries(attested=packs.attestation(digest(b"other")))
    assert "is about another artifact" in broken(packs.sealed(foreign))
    for odd in ({"beside": digest(b"other")}, {"subject": []}):
        assert "is about another artifact" in broken(packs.sealed(packs.entries(attested=packs.attestation(**odd))))
    failed = packs.entries(attested=packs.attestation(result="FAILED"))
    assert "does not say that its version passed" in broken(packs.sealed(failed))
    newer = packs.entries(attested=packs.attestation(_type="https://in-toto.io/Statement/v2"))
    assert f"{packs.ATTESTATION}: could not check" in broken(packs.sealed(newer))
    stranger = packs.entries(attested=packs.attestation(private_key=STRANGER))
    assert f"{packs.ATTESTATION}: is not signed with the pinned key" in broken(packs.sealed(stranger))
    unrecorded = {**ENTRIES, packs.ATTESTATION: packs.attestation() + b"\n"}
    assert "no event of the log records a release" in broken(packs.sealed(unrecorded))
    other = packs.entries(events=changed(RELEASED, version="v2"))
    assert "no event of the log records a release of this version" in broken(packs.sealed(other))


def test_an_attestation_may_name_the_artifact_as_model_signing_does() -> None:
    beside = digest(bytes.fromhex(packs.ARTIFACT.removeprefix("sha256:")))
    holds(packs.sealed(packs.entries(attested=packs.attestation(beside=beside))))


def test_another_policy_is_refused() -> None:
    assert f"{packs.POLICY}: is not the policy" in broken(packs.sealed({**ENTRIES, packs.POLICY: b"tier: 3\n"}))


# --- signatures


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        (packs.signature_file(digest=digest(b"other")), "the statement is not the one whose digest was signed"),
        (packs.signature_file(id="other"), "holds a signature with another id"),
        (packs.signature_file(meaning="review"), "states another meaning than was shown"),
        (packs.signature_file(role="owner"), "states another role than was shown"),
        (packs.signature_file(comment="well"), "states another comment than was shown"),
        (packs.signature_file(dossier_digest=digest(b"other")), "states another dossier_digest than was shown"),
        (packs.signature_file(signer="u2"), "states another signer than was shown"),
        (packs.signature_file(packs.statement("u2"), signer="u2"), "no event of the log records"),
        (packs.signature_file(at="2026-01-02T02:00:00+00:00"), "was signed before it was shown"),
        (packs.signature_file(at="noon"), "is no moment"),
        (packs.signature_file(method="totp"), "does not say that it was made by totp"),
        (packs.signature_file(method="passkey"), "does not say that it was made by passkey"),
    ],
)
def test_a_signature_that_was_changed_is_refused(signature: bytes, said: str) -> None:
    data = packs.sealed({**ENTRIES, packs.SIGNATURE_PATH: signature})
    found = broken(data)
    assert f"{packs.SIGNATURE_PATH}: " in found
    assert said in found


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (packs.statement(dossier={**packs.DOSSIER, "version": {"id": "v2"}}), "is about another version than the one"),
        (packs.statement(dossier={**packs.DOSSIER, "artifact_digest": digest(b"x")}), "is about another artifact"),
        (packs.statement(dossier_digest=digest(b"x")), "has another digest than was shown with it"),
        (packs.statement(dossier={}), "version is missing"),
        (packs.statement(comment=None), "comment is missing"),
    ],
)
def test_a_statement_about_something_else_is_refused(shown: bytes, said: str) -> None:
    """Signed and recorded, and yet not about this version."""
    found = broken(packs.sealed(packs.entries(signature=packs.signature_file(shown))))
    assert f"{packs.SIGNATURE_PATH}: " in found
    assert said in found


def test_a_signature_under_another_promotion_is_refused() -> None:
    moved = packs.signature_file(about={"type": "governance.promotion", "id": "p2"})
    said = broken(packs.sealed({**ENTRIES, packs.SIGNATURE_PATH: moved}))
    assert f"{packs.SIGNATURE_PATH}: the event that records it is about something else" in said


def test_a_dossier_without_an_artifact_is_signed_too() -> None:
    shown = packs.statement(dossier={**packs.DOSSIER, "artifact_digest": ""})
    holds(packs.sealed(packs.entries(signature=packs.signature_file(shown))))


def test_a_signature_the_log_did_not_record_is_refused() -> None:
    events = {index: sealed for index, sealed in STORY.items() if index != SIGNED}
    said = broken(packs.sealed(packs.entries(events=events)))
    assert f"{packs.SIGNATURE_PATH}: no event of the log records" in said
    assert f"{at(RELEASED)}.json: releases by a signature that no event before it records" in said


def test_an_event_of_another_person_records_no_signature() -> None:
    said = broken(packs.sealed(packs.entries(events=changed(SIGNED, actor="u7"))))
    assert f"{packs.SIGNATURE_PATH}: the event that records it names another person as the signer" in said


def test_an_unknown_method_could_not_be_checked() -> None:
    signature = packs.signature_file(method="handshake")
    said = broken(packs.sealed(packs.entries(signature=signature)))
    assert f"{packs.SIGNATURE_PATH}: could not check: this program knows no signing by 'handshake'" in said


def test_a_code_of_an_authenticator_app_is_the_servers_word() -> None:
    answer = holds(packs.sealed(packs.entries(signature=packs.signature_file(method="totp"))))
    assert "a code of an authenticator app is the server's word" in "\n".join(answer["unchecked"])


def test_a_signature_after_its_release_is_refused() -> None:
    events = {**STORY, 7: STORY[SIGNED]}
    del events[SIGNED]
    said = broken(packs.sealed(packs.entries(events=events)))
    assert f"{at(7)}.json: records a signature after the release it is for ({at(RELEASED)}.json)" in said


def test_a_release_that_does_not_tell_its_signatures_is_told() -> None:
    events = {**STORY, RELEASED: packs.erased(STORY[RELEASED], "facts.signatures")}
    answer = holds(packs.sealed(packs.entries(events=events)))
    assert "which signatures this release counts is not disclosed" in "\n".join(answer["unchecked"])


# --- passkeys


def with_passkey(by_passkey: bytes, **given: Any) -> bytes:
    return packs.sealed(packs.entries(by_passkey=by_passkey, **given))


@pytest.mark.parametrize(
    "key",
    [
        ec.derive_private_key(77, ec.SECP256R1()),
        STRANGER,
        pytest.param(rsa.generate_private_key(65537, 2048), id="rsa"),
    ],
)
def test_a_passkey_of_each_kind_holds(key: Any) -> None:
    shown = packs.statement("u2")
    file = packs.passkey_file(shown, passkey=packs.assertion(shown, key=key))
    answer = holds(with_passkey(file, key=key))
    assert "1 made with a passkey, which was verified" in "\n".join(answer["holds"])


SHOWN = packs.statement("u2")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"client": {"type": "webauthn.create"}}, "the passkey was not asked to sign"),
        ({"client": {"challenge": "AAAA"}}, "the passkey signed another statement"),
        ({"client": {"origin": "https://evil.test"}}, "on the page of another site"),
        ({"client": {"crossOrigin": True}}, "on the page of another site"),
        ({"client": {"crossOrigin": "no"}}, "on the page of another site"),
        ({"origin": "https://evil.test"}, "on the page of another site"),
        ({"origin": "https://notcountersign.test"}, "on the page of another site"),
        ({"origin": "http://countersign.test"}, "on the page of another site"),
        ({"origin": "https://countersign.test@evil.test"}, "on the page of another site"),
        ({"rp_id": "", "origin": "https://countersign.test"}, "on the page of another site"),
        ({"signed_rp_id": "evil.test"}, "the passkey signed for another site"),
        ({"flags": 0x04}, "did not verify who used the passkey"),
        ({"flags": 0x01}, "did not verify who used the passkey"),
        ({"more": b"x"}, "something this program cannot read"),
        ({"signature": b"0"}, "the passkey's key or signature cannot be read"),
        ({"signature": packs.answer(packs.DEVICE, b"else")}, "the passkey's signature does not fit"),
        ({"public_key": b"0"}, "the passkey's key or signature cannot be read"),
        ({"public_key": packs.spki(STRANGER)}, "the passkey's signature does not fit"),
    ],
)
def test_an_assertion_that_is_wrong_is_refused(wrong: dict[str, Any], said: str) -> None:
    file = packs.passkey_file(SHOWN, passkey=packs.assertion(SHOWN, **wrong))
    assert f"{packs.PASSKEY_PATH}: " in (found := broken(with_passkey(file)))
    assert said in found


@pytest.mark.parametrize(
    "given",
    [{"origin": "https://sub.countersign.test:8443"}, {"rp_id": "localhost", "origin": "http://localhost:8000"}],
)
def test_an_assertion_made_inside_its_site_holds(given: dict[str, Any]) -> None:
    holds(with_passkey(packs.passkey_file(SHOWN, passkey=packs.assertion(SHOWN, **given))))


def test_the_assertion_of_another_statement_is_refused() -> None:
    file = packs.passkey_file(SHOWN, passkey=packs.assertion(packs.statement("u2", comment="another")))
    assert "the passkey signed another statement" in broken(with_passkey(file))


def test_a_passkey_that_was_left_out_or_moved_to_a_password_is_refused() -> None:
    content = json.loads(packs.passkey_file(SHOWN))
    lacking = canonical({key: value for key, value in content.items() if key != "passkey"})
    assert "passkey is missing" in broken(packs.sealed({**ENTRIES, packs.PASSKEY_PATH: lacking}))
    content["signature"]["method"] = "password"
    weaker = canonical({key: value for key, value in content.items() if key != "passkey"})
    said = broken(packs.sealed({**ENTRIES, packs.PASSKEY_PATH: weaker}))
    assert "the event that records it does not say that it was made by password" in said
    odd = canonical(content)
    assert "and yet holds what a passkey signed" in broken(with_passkey(odd))


def passkey_event(kind: str, **other: Any) -> Any:
    facts = other.pop("facts", {"public_key": digest(packs.spki(packs.DEVICE))})
    return packs.event(f"people.{kind}", subject=other.pop("subject", "u2"), facts=facts, **other)


@pytest.mark.parametrize(
    "events",
    [
        {ADDED: None},
        {ADDED: passkey_event("passkey.added", subject="u1")},
        {ADDED: passkey_event("passkey.added", facts={"public_key": digest(packs.spki(STRANGER))})},
        {ADDED: packs.erased(STORY[ADDED], "facts.public_key")},
        {ADDED: None, 5: STORY[ADDED]},
        {0: STORY[ADDED], ADDED: passkey_event("passkey.removed")},
        {0: STORY[ADDED], ADDED: passkey_event("methods.reset", facts={})},
        {
            0: STORY[ADDED],
            ADDED: passkey_event(
                "methods.reset", facts={"passkeys": [{"public_key": digest(packs.spki(packs.DEVICE))}]}
            ),
        },
    ],
    ids=["never added", "to another", "another key", "kept back", "later", "removed", "reset", "reset by name"],
)
def test_a_passkey_that_the_signer_did_not_hold_is_refused(events: dict[int, Any]) -> None:
    told = {index: sealed for index, sealed in {**STORY, **events}.items() if sealed}
    said = broken(packs.sealed(packs.entries(events=told)))
    assert f"{packs.PASSKEY_PATH}: no event before it records this passkey as the signer's" in said


@pytest.mark.parametrize(
    "event",
    [
        passkey_event("passkey.removed", subject="u1"),
        passkey_event("passkey.removed", facts={"public_key": "sha256:other"}),
        passkey_event("methods.reset", facts={"passkeys": [{"public_key": "sha256:other"}]}),
    ],
)
def test_a_passkey_that_others_lost_is_still_the_signers(event: Any) -> None:
    holds(packs.sealed(packs.entries(events={**STORY, 0: STORY[ADDED], ADDED: event})))


# --- the command


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The program alone: isolated, from an empty folder, with nothing but the standard library."""
    command = [sys.executable, "-I", "-S", str(packs.PROGRAM), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pack") / "pack.zip"
    path.write_bytes(HONEST)
    return path


def test_the_command_says_that_a_pack_holds(pack: Path) -> None:
    done = run(str(pack), "--key", packs.VKEY)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("This pack holds.\n")
    assert "scorecard" in done.stdout


def test_the_command_checks_every_pin(tmp_path: Path) -> None:
    (tmp_path / "pack.zip").write_bytes(ANCHORED)
    done = run(str(tmp_path / "pack.zip"), "--key", str(packs.all_pins(tmp_path)))
    assert (done.returncode, done.stderr) == (0, "")
    assert "time-stamp authority states" in done.stdout


def test_the_command_says_what_does_not_hold(pack: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(pack.read_bytes().replace(b"0.7512", b"0.9512"))
    done = run(str(damaged), "--key", packs.VKEY)
    assert (done.returncode, done.stderr) == (1, "")
    assert f"DOES NOT HOLD  {packs.RUN_PATH}: was altered" in done.stdout


def test_the_command_answers_in_json(pack: Path) -> None:
    done = run(str(pack), "--key", packs.VKEY, "--json")
    answer = json.loads(done.stdout)
    assert (answer["v"], answer["verdict"], answer["broken"]) == (2, "holds", [])
    assert answer["pack"]["id"] == packs.PACK["id"]


def test_a_file_that_is_no_pack_does_not_hold(tmp_path: Path) -> None:
    for content in (b"", b"hello", HONEST[: len(HONEST) // 2]):
        path = tmp_path / "file"
        path.write_bytes(content)
        done = run(str(path), "--key", packs.VKEY)
        assert (done.returncode, done.stderr) == (1, "")


def test_without_a_pack_or_a_key_the_check_could_not_run(pack: Path, tmp_path: Path) -> None:
    for arguments in (
        (str(tmp_path / "none.zip"), "--key", packs.VKEY),
        (str(tmp_path), "--key", packs.VKEY),
        (str(pack), "--key", "no such key"),
        (str(pack), "--key", str(pack)),
        ("--log", str(pack), "--key", packs.VKEY),
        ("--log", str(tmp_path), "--key", packs.VKEY),
    ):
        done = run(*arguments)
        assert (done.returncode, done.stderr) == (2, "")
        assert "could not run" in done.stdout
    for arguments in ((str(pack),), ("--key", packs.VKEY), (str(pack), "--since", "x", "--key", packs.VKEY)):
        assert run(*arguments).returncode == 2


def test_what_a_damaged_pack_holds_does_not_command_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    odd = packs.signature_file(method="\x1b[2J")
    path.write_bytes(packs.sealed({**ENTRIES, packs.SIGNATURE_PATH: odd}))
    done = run(str(path), "--key", packs.VKEY)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "\\x1b[2J" in done.stdout
