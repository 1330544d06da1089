"""The offline verifier: an honest pack holds; every altered byte and every broken link fails and is named."""

from __future__ import annotations

import functools
import importlib.util
import io
import json
import subprocess
import sys
import zipfile
from base64 import b64encode
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tests import packs
from trail import packing
from trail.canonical import canonical, digest

PROGRAM = Path(__file__).parents[2] / "clients" / "verify.py"


def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify", PROGRAM)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


verifier = program()
# The same function, remembering its answers: thousands of damaged packs hold the same three signatures.
verifier.ed25519_verifies = functools.cache(verifier.ed25519_verifies)

KEY = verifier.read_key(packs.VKEY)
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
ENTRIES = packs.entries()
HONEST = packs.sealed(ENTRIES)


def verdict(data: bytes) -> str:
    return verifier.verify(data, KEY)["verdict"]


def broken(data: bytes) -> str:
    """What the verifier says against a pack; it has to say something."""
    answer = verifier.verify(data, KEY)
    assert answer["verdict"] == "does not hold"
    assert answer["broken"]
    return "\n".join(answer["broken"])


# --- an honest pack


def test_an_honest_pack_holds_and_says_what_was_checked() -> None:
    answer = verifier.verify(HONEST, KEY)
    assert answer["broken"] == []
    assert answer["verdict"] == "holds"
    assert answer["pack"] == packs.PACK
    assert len(answer["holds"]) == len(verifier.CHECKS)
    assert any("3 events are in the log" in sentence for sentence in answer["holds"])
    assert any(sentence.startswith("time:") for sentence in answer["unchecked"])


def test_a_pack_without_a_release_needs_no_attestation() -> None:
    events = packs.story(run=packs.run_file(), signature=packs.signature_file(), attested=b"")
    del events[6]
    parts = packs.entries(events=events)
    del parts[packs.ATTESTATION]
    assert verdict(packs.sealed(parts)) == "holds"


def test_a_pack_of_an_empty_log_holds() -> None:
    parts = {path: data for path, data in ENTRIES.items() if path in verifier.REQUIRED}
    assert verdict(packs.sealed({**parts, **packs.evidence({}, size=0)})) == "holds"


def test_events_of_evidence_that_is_not_in_the_pack_are_told() -> None:
    parts = {path: data for path, data in ENTRIES.items() if path not in (packs.RUN_PATH, packs.SIGNATURE_PATH)}
    answer = verifier.verify(packs.sealed(parts), KEY)
    assert answer["verdict"] == "holds"
    assert "events/000000000001.json: records a run the pack does not carry." in answer["unchecked"]
    assert "events/000000000003.json: records a signature the pack does not carry." in answer["unchecked"]


def test_any_zip_program_reads_the_pack() -> None:
    with zipfile.ZipFile(io.BytesIO(HONEST)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [*ENTRIES, "manifest.json", "manifest.sig"]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {info.flag_bits for info in archive.infolist()} == {0}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert all(archive.read(path) == data for path, data in ENTRIES.items())


def test_the_same_entries_make_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    sealed = packing.seal(ENTRIES, pack=packs.PACK, name=packs.ORIGIN, private_key=packs.PRIVATE)
    packing.write_pack(path, sealed)
    assert path.read_bytes() == HONEST


@pytest.mark.parametrize("path", ["../up", "/root", "a//b", "a b", "ä", "", "x\n", "n" * 201, "a/.hidden"])
def test_no_entry_gets_a_dangerous_name(path: str) -> None:
    with pytest.raises(ValueError, match="can't hold"):
        packs.zipped({path: b"", "manifest.json": b"", "manifest.sig": b""})


def test_an_unsealed_or_undescribed_pack_is_not_written() -> None:
    with pytest.raises(ValueError, match="seal"):
        packs.zipped(ENTRIES)
    with pytest.raises(ValueError, match="lacks origin"):
        packing.manifest(ENTRIES, pack={key: value for key, value in packs.PACK.items() if key != "origin"})


# --- altered bytes


@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80])
def test_no_altered_byte_passes(mask: int) -> None:
    for place in range(len(HONEST)):
        altered = bytearray(HONEST)
        altered[place] ^= mask
        answer = verifier.verify(bytes(altered), KEY)
        assert answer["verdict"] == "does not hold", place
        assert answer["broken"], place
        assert not any("Error" in sentence for sentence in answer["broken"]), (place, answer["broken"])


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
    honest = packing.seal(ENTRIES, pack=packs.PACK, name=packs.ORIGIN, private_key=packs.PRIVATE)
    assert f"{path}: was altered" in broken(packs.zipped({**honest, path: honest[path][:-1] + b"~"}))


def test_all_altered_files_are_named() -> None:
    honest = packing.seal(ENTRIES, pack=packs.PACK, name=packs.ORIGIN, private_key=packs.PRIVATE)
    said = broken(packs.zipped({**honest, "card.md": b"# Cart\n", "card.html": b"<p>Cart</p>"}))
    assert "card.md: was altered" in said
    assert "card.html: was altered" in said


def test_a_pack_that_was_zipped_anew_is_refused() -> None:
    """The same files, but bytes between them that nobody signed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive, zipfile.ZipFile(io.BytesIO(HONEST)) as honest:
        for name in honest.namelist():
            archive.writestr(name, honest.read(name))
    assert "container: is not byte for byte what the files make" in broken(file.getvalue())


def test_entries_in_another_order_are_refused() -> None:
    honest = packing.seal(ENTRIES, pack=packs.PACK, name=packs.ORIGIN, private_key=packs.PRIVATE)
    first, *rest = list(honest)[:-2]
    order = [*rest, first, "manifest.json", "manifest.sig"]
    assert "container" in broken(packs.zipped({path: honest[path] for path in order}))


# --- files and manifest


def test_a_file_more_or_less_than_the_manifest_lists_is_named() -> None:
    honest = packing.seal(ENTRIES, pack=packs.PACK, name=packs.ORIGIN, private_key=packs.PRIVATE)
    less = {path: data for path, data in honest.items() if path != "card.md"}
    assert "card.md: is missing" in broken(packs.zipped(less))
    more = {"runs/another.json": b"{}", **honest}
    assert "runs/another.json: is not in the manifest" in broken(packs.zipped(more))


@pytest.mark.parametrize("path", ["extra.bin", "runs/a.txt", "runs/a/b.json", "events/1.json", "verify.py"])
def test_a_file_the_layout_does_not_know_could_not_be_checked(path: str) -> None:
    assert f"{path}: could not check" in broken(packs.sealed({**ENTRIES, path: b"{}"}))


@pytest.mark.parametrize("path", sorted(set(verifier.REQUIRED) - {"manifest.json", "manifest.sig"}))
def test_a_required_file_that_was_never_packed_is_missed(path: str) -> None:
    said = broken(packs.sealed({kept: data for kept, data in ENTRIES.items() if kept != path}))
    assert f"{path}: is missing" in said


def test_a_manifest_signed_by_a_stranger_is_refused() -> None:
    assert "manifest.sig: is not signed with the pinned key" in broken(packs.sealed(ENTRIES, private_key=STRANGER))


def test_the_manifest_of_another_pack_is_refused() -> None:
    one = packing.seal(ENTRIES, pack=packs.PACK, name=packs.ORIGIN, private_key=packs.PRIVATE)
    other = packing.seal(ENTRIES, pack={**packs.PACK, "id": "8"}, name=packs.ORIGIN, private_key=packs.PRIVATE)
    mixed = {**one, "manifest.sig": other["manifest.sig"]}
    assert "manifest.json: is not the manifest that was signed" in broken(packs.zipped(mixed))


def test_nobody_else_can_sign_beside_the_issuer() -> None:
    honest = packing.seal(ENTRIES, pack=packs.PACK, name=packs.ORIGIN, private_key=packs.PRIVATE)
    added = honest["manifest.sig"] + "— other.test AAAAAAAAAAAA\n".encode()
    assert "manifest.sig: carries more than the one signature" in broken(
        packs.zipped({**honest, "manifest.sig": added})
    )


def test_a_manifest_with_a_key_twice_is_refused() -> None:
    manifest = packing.manifest(ENTRIES, pack=packs.PACK)
    twice = manifest.replace(b'{"files"', b'{"v":2,"files"')
    assert "manifest.json: has a key twice" in broken(packs.signed_manifest(ENTRIES, twice))


@pytest.mark.parametrize("path", ["gate.json", "proofs.json", packs.RUN_PATH, packs.SIGNATURE_PATH, packs.ATTESTATION])
def test_a_json_file_with_a_key_twice_is_refused(path: str) -> None:
    content = json.loads(ENTRIES[path])
    key = next(iter(content))
    twice = b"{" + json.dumps(key).encode() + b":null," + ENTRIES[path][1:]
    assert f"{path}: has a key twice" in broken(packs.sealed({**ENTRIES, path: twice}))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"{",
        b'{"a":NaN}',
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", id="long number"),
        b"\xef\xbb\xbf{}",
    ],
)
@pytest.mark.parametrize("path", ["gate.json", "proofs.json", packs.RUN_PATH, "events/000000000003.json"])
def test_a_file_that_is_no_json_object_is_refused(path: str, content: bytes) -> None:
    assert f"{path}: is not" in broken(packs.sealed({**ENTRIES, path: content}))


@given(st.data())
def test_signed_nonsense_neither_passes_nor_crashes(data: st.DataObject) -> None:
    """Any value in place of any other, in any file. Only what nothing else is bound to may then still hold."""
    path = data.draw(st.sampled_from([path for path in ENTRIES if path.endswith("son")]))
    content = json.loads(ENTRIES[path])
    holder, key = data.draw(st.sampled_from(places(content) or [({"": content}, "")]))
    before = json.dumps(holder[key])
    holder[key] = data.draw(st.sampled_from([None, True, 0, -1, 10**30, "", "sha256:", [], [[]], {}, {"a": []}]))
    altered = packs.sealed({**ENTRIES, path: canonical_json(content)})
    if verdict(altered) == "holds":
        assert json.dumps(holder[key]) == before or path in ("card.json", "gate.json", packs.SIGNATURE_PATH)


def places(content: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    keys = list(content) if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    return [(content, key) for key in keys] + [place for key in keys for place in places(content[key])]


def canonical_json(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_a_manifest_of_an_unknown_version_could_not_be_checked() -> None:
    manifest = packing.manifest(ENTRIES, pack=packs.PACK).replace(b'"v":1', b'"v":2')
    assert "manifest.json: could not check" in broken(packs.signed_manifest(ENTRIES, manifest))


def test_a_manifest_that_lists_a_file_twice_is_refused() -> None:
    content = json.loads(packing.manifest(ENTRIES, pack=packs.PACK))
    content["files"].append(content["files"][0])
    assert "manifest.json: lists a file twice" in broken(packs.signed_manifest(ENTRIES, canonical(content)))


# --- events, proofs, checkpoint: even an issuer who signs anything can't make these fit


def test_swapped_events_are_refused() -> None:
    one, other = "events/000000000001.json", "events/000000000003.json"
    said = broken(packs.sealed({**ENTRIES, one: ENTRIES[other], other: ENTRIES[one]}))
    assert f"{one}: was altered" in said
    assert f"{other}: was altered" in said


def test_a_rewritten_event_with_a_fitting_leaf_hash_has_no_proof() -> None:
    path = "events/000000000003.json"
    rewritten = ENTRIES[path].replace(b"because", b"why not")
    proofs = json.loads(ENTRIES["proofs.json"])
    proofs["proofs"][1]["leaf_hash"] = b64encode(verifier.leaf_hash(rewritten)).decode()
    said = broken(packs.sealed({**ENTRIES, path: rewritten, "proofs.json": canonical(proofs)}))
    assert f"{path}: its inclusion proof does not lead to the root" in said


def test_an_event_without_a_proof_is_named() -> None:
    proofs = json.loads(ENTRIES["proofs.json"])
    del proofs["proofs"][0]
    said = broken(packs.sealed({**ENTRIES, "proofs.json": canonical(proofs)}))
    assert "events/000000000001.json: has no inclusion proof" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 8}, "proofs.json: is for another tree"),
        ({"root": b64encode(bytes(32)).decode()}, "proofs.json: is for another tree"),
        ({"size": True}, "proofs.json: size is missing or of the wrong type"),
        ({"proofs": None}, "proofs.json: proofs is missing or of the wrong type"),
    ],
)
def test_proofs_for_another_tree_are_refused(change: dict[str, Any], said: str) -> None:
    proofs = {**json.loads(ENTRIES["proofs.json"]), **change}
    assert said in broken(packs.sealed({**ENTRIES, "proofs.json": canonical(proofs)}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"index": 2}, "gives events/000000000001.json the index 2"),
        ({"event": "card.json"}, "gives card.json the index 1"),
        ({"proof": []}, "events/000000000001.json: its inclusion proof"),
        ({"proof": ["AAAA"]}, "events/000000000001.json: its inclusion proof"),
        ({"proof": [None]}, "events/000000000001.json: its inclusion proof"),
        ({"leaf_hash": "AAAA"}, "events/000000000001.json: was altered"),
        ({"index": -1, "event": "events/-00000000001.json"}, "events/-00000000001.json: is missing"),
    ],
)
def test_a_wrong_proof_names_its_event(change: dict[str, Any], said: str) -> None:
    proofs = json.loads(ENTRIES["proofs.json"])
    proofs["proofs"][0].update(change)
    assert said in broken(packs.sealed({**ENTRIES, "proofs.json": canonical(proofs)}))


def test_a_checkpoint_of_a_stranger_or_another_log_is_refused() -> None:
    checkpoint = ENTRIES["checkpoint.txt"].decode()
    text = checkpoint.rpartition("\n\n")[0] + "\n"
    stranger = packs.notes.sign_note(text, name=packs.ORIGIN, private_key=STRANGER).encode()
    assert "checkpoint.txt: is not signed" in broken(packs.sealed({**ENTRIES, "checkpoint.txt": stranger}))
    moved = text.replace(packs.ORIGIN, "elsewhere.test")
    elsewhere = packs.notes.sign_note(moved, name=packs.ORIGIN, private_key=packs.PRIVATE).encode()
    assert "of the log elsewhere.test" in broken(packs.sealed({**ENTRIES, "checkpoint.txt": elsewhere}))
    more = packs.notes.sign_note(text + "more\n", name=packs.ORIGIN, private_key=packs.PRIVATE).encode()
    assert "checkpoint.txt: could not check" in broken(packs.sealed({**ENTRIES, "checkpoint.txt": more}))


def test_a_witness_may_sign_the_checkpoint_too() -> None:
    checkpoint = ENTRIES["checkpoint.txt"].decode()
    text = checkpoint.rpartition("\n\n")[0] + "\n"
    witness = packs.notes.sign_note(text, name="witness.test", private_key=STRANGER).removeprefix(text + "\n")
    assert verdict(packs.sealed({**ENTRIES, "checkpoint.txt": (checkpoint + witness).encode()})) == "holds"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"v":1', b'"v":2', "could not check"),
        (b'"v":1', b'"v": 1', "is not in canonical form"),
        (b'"v":1', b'"v":1,"v":1', "has a key twice"),
        (b'"facts":{', b'"facts":[{', "is not valid JSON"),
        (b"{}", b"0", "facts is missing"),
        (b'"type":"', b'"kind":"', "type is missing"),
    ],
)
def test_an_unreadable_event_is_refused_even_if_the_log_holds_it(old: bytes, new: bytes, said: str) -> None:
    events = packs.story(run=packs.run_file(), signature=packs.signature_file(), attested=packs.attestation())
    events[4] = packs.event("registry.version.registered", subject="v1", facts={}).replace(old, new)
    data = packs.sealed(packs.entries(events=events))
    assert f"events/000000000004.json: {said}" in broken(data)


# --- links between files and events


def test_a_result_that_the_log_did_not_record_is_refused() -> None:
    better = packs.run_file().replace(b"0.7512", b"0.9512")
    assert f"{packs.RUN_PATH}: no event of the log records" in broken(packs.sealed({**ENTRIES, packs.RUN_PATH: better}))


def test_a_run_under_another_id_or_of_another_artifact_is_refused() -> None:
    renamed = {("runs/other.json" if path == packs.RUN_PATH else path): data for path, data in ENTRIES.items()}
    assert "runs/other.json: holds a run with another id" in broken(packs.sealed(renamed))
    foreign = packs.run_file().replace(packs.ARTIFACT.encode(), digest(b"else").encode())
    assert "is a run of another artifact" in broken(packs.sealed(packs.entries(run=foreign)))


def resigned(**change: Any) -> bytes:
    content = json.loads(packs.signature_file())
    content["signature"].update(change)
    return canonical(content)


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        (resigned(digest=digest(b"other")), "the statement is not the one whose digest was signed"),
        (resigned(id="other"), "holds a signature with another id"),
        (resigned(meaning="review"), "states another meaning than was shown"),
        (resigned(role="owner"), "states another role than was shown"),
        (resigned(dossier_digest=digest(b"other")), "states another dossier_digest than was shown"),
        (resigned(signer="u2"), "names another person as the signer"),
    ],
)
def test_a_signature_that_was_changed_is_refused(signature: bytes, said: str) -> None:
    data = packs.sealed({**ENTRIES, packs.SIGNATURE_PATH: signature})
    assert f"{packs.SIGNATURE_PATH}: {said}" in broken(data).replace("the event that records it ", "")


def test_a_signature_the_log_did_not_record_is_refused() -> None:
    events = packs.story(run=packs.run_file(), signature=packs.signature_file(), attested=packs.attestation())
    del events[3]
    assert f"{packs.SIGNATURE_PATH}: no event of the log records" in broken(packs.sealed(packs.entries(events=events)))


def test_a_stripped_attestation_is_missed() -> None:
    stripped = {path: data for path, data in ENTRIES.items() if path != packs.ATTESTATION}
    assert f"{packs.ATTESTATION}: is missing, although an event" in broken(packs.sealed(stripped))


def test_an_attestation_of_another_artifact_key_or_release_is_refused() -> None:
    foreign = packs.entries(attested=packs.attestation(digest(b"other")))
    assert "is about another artifact" in broken(packs.sealed(foreign))
    stranger = packs.entries(attested=packs.attestation(private_key=STRANGER))
    assert f"{packs.ATTESTATION}: is not signed with the pinned key" in broken(packs.sealed(stranger))
    unrecorded = {**ENTRIES, packs.ATTESTATION: packs.attestation() + b"\n"}
    assert "no event of the log records a release" in broken(packs.sealed(unrecorded))


def test_another_policy_is_refused() -> None:
    assert "policy.yaml: is not the policy" in broken(packs.sealed({**ENTRIES, "policy.yaml": b"tier: 3\n"}))


# --- the key


def test_the_pack_does_not_hold_under_another_key() -> None:
    stranger = verifier.read_key(packs.notes.vkey(packs.ORIGIN, STRANGER.public_key().public_bytes_raw()))
    assert verifier.verify(HONEST, stranger)["verdict"] == "does not hold"
    renamed = verifier.read_key(packs.notes.vkey("other.test", packs.PUBLIC))
    assert verifier.verify(HONEST, renamed)["verdict"] == "does not hold"


PEM = packs.PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    "content",
    [packs.VKEY.encode(), packs.VKEY.encode() + b"\n", PEM, packs.PUBLIC.hex().encode(), b64encode(packs.PUBLIC)],
)
def test_a_key_file_may_hold_the_key_in_any_usual_form(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    assert verifier.verify(HONEST, verifier.read_key(str(path)))["verdict"] == "holds"


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
    ],
)
def test_what_is_no_public_key_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(verifier.CouldNotRun, match="--key"):
        verifier.read_key(str(path))


# --- Ed25519

RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        (
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
            "3dca179c138ac17ad9bef1177331a704"
        ),
    ),
]


@pytest.mark.parametrize("vector", RFC_8032)
def test_the_vectors_of_rfc_8032(vector: tuple[str, str, str]) -> None:
    public, message, signature = map(bytes.fromhex, vector)
    assert verifier.ed25519_verifies(public, message, signature)
    assert not verifier.ed25519_verifies(public, message + b"!", signature)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=64))
def test_ed25519_accepts_what_another_implementation_signs(seed: bytes, message: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    assert verifier.ed25519_verifies(key.public_key().public_bytes_raw(), message, key.sign(message))


@given(st.integers(0, 767), st.booleans())
def test_ed25519_agrees_with_another_implementation_on_mutations(bit: int, swap: bool) -> None:
    key = bytearray(packs.PUBLIC + packs.PRIVATE.sign(b"message"))
    key[bit // 8] ^= 1 << bit % 8
    public, signature = bytes(key[:32]), bytes(key[32:])
    if swap:
        signature = signature[32:] + signature[:32]
    assert verifier.ed25519_verifies(public, b"message", signature) is accepted_elsewhere(public, signature) is False


def accepted_elsewhere(public: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, b"message")
    except (InvalidSignature, ValueError):
        return False
    return True


def test_a_signature_has_no_second_spelling() -> None:
    signature = packs.PRIVATE.sign(b"message")
    s = int.from_bytes(signature[32:], "little") + verifier.ORDER
    assert not verifier.ed25519_verifies(packs.PUBLIC, b"message", signature[:32] + s.to_bytes(32, "little"))
    for wrong in (b"", signature[:63], signature + b"\0"):
        assert not verifier.ed25519_verifies(packs.PUBLIC, b"message", wrong)


def test_a_key_of_small_order_verifies_nothing() -> None:
    """Under the neutral point as key, R = [S]B would verify for every message."""
    neutral = (1).to_bytes(32, "little")
    assert not verifier.ed25519_verifies(neutral, b"anything", neutral + bytes(32))


# --- the command


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The program alone: isolated, from an empty folder, with nothing but the standard library."""
    command = [sys.executable, "-I", "-S", str(PROGRAM), *arguments]
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


def test_the_command_says_what_does_not_hold(pack: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(pack.read_bytes().replace(b"0.7512", b"0.9512"))
    done = run(str(damaged), "--key", packs.VKEY)
    assert (done.returncode, done.stderr) == (1, "")
    assert f"DOES NOT HOLD  {packs.RUN_PATH}: was altered" in done.stdout


def test_the_command_answers_in_json(pack: Path) -> None:
    done = run(str(pack), "--key", packs.VKEY, "--json")
    answer = json.loads(done.stdout)
    assert (answer["verdict"], answer["broken"], answer["pack"]["id"]) == ("holds", [], packs.PACK["id"])


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
    ):
        done = run(*arguments)
        assert (done.returncode, done.stderr) == (2, "")
        assert "could not run" in done.stdout
    assert run(str(pack)).returncode == 2


def test_what_a_damaged_pack_holds_does_not_command_the_terminal(tmp_path: Path) -> None:
    events = packs.story(run=packs.run_file(), signature=packs.signature_file(), attested=packs.attestation())
    path = tmp_path / "pack.zip"
    parts = packs.entries(events=events)
    path.write_bytes(packs.sealed({**parts, "proofs.json": parts["proofs.json"].replace(b"events/", b"\\u001b[2J")}))
    done = run(str(path), "--key", packs.VKEY)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "\\x1b[2J" in done.stdout
