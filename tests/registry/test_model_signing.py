"""The digests that OpenSSF Model Signing (model-signing 1.1.1) gave for these bytes, and what its tools sign."""

from __future__ import annotations

from hashlib import sha256

from registry import model_signing
from registry.models import Artifact

BYTES = b"fixed bytes of a model\n"
OF_THE_FILE = "6866770cc9e9ad4da365abfcb395608d2850393cfe8df66238def0ed667259b3"
OF_THE_MODEL = "802da122dd4021c02e9cf7b6a6ac334947f958c3682b19796735b949b5bf0325"
ARTIFACT = Artifact(sha256=OF_THE_FILE, file_name="scorecard.skops")


def test_a_file_has_the_digest_that_its_tools_give() -> None:
    assert sha256(BYTES).hexdigest() == OF_THE_FILE
    assert model_signing.manifest_digest(ARTIFACT) == OF_THE_MODEL


def test_the_manifest_is_what_its_tools_sign() -> None:
    assert model_signing.manifest(ARTIFACT) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "scorecard.skops", "digest": {"sha256": OF_THE_MODEL}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
            "resources": [{"name": ".", "algorithm": "sha256", "digest": OF_THE_FILE}],
        },
    }


def test_the_files_of_a_folder_are_in_the_order_of_their_paths() -> None:
    """Part by part: `a/x` stands before `a-b`, which text would put first."""
    files = {
        name: sha256(content).hexdigest() for name, content in [("a-b", b"three"), ("a.b/x", b"two"), ("a/x", b"one")]
    }
    expected = "eed9c9daba58f49a88a6149a804d6fb5a59b1bd99760219ef0dd3a67d5aa4af7"
    assert model_signing.subject_digest(files) == expected
