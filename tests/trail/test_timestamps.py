"""RFC 3161 tokens of a real authority on this machine: got, checked, and refused for every reason there is."""

from __future__ import annotations

import socket
import subprocess
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.trail.tsa import Authority, pem, serving
from trail import timestamps
from trail.timestamps import InvalidTimestamp, NotStamped

DIGEST = sha256(b"a checkpoint\n").digest()
OTHER = sha256(b"another\n").digest()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def got(authority: Authority, digest: bytes = DIGEST) -> bytes:
    with serving(authority.answer) as url:
        return timestamps.stamp(digest, url=url, timeout=30)


@pytest.fixture(scope="module")
def token(authority: Authority) -> bytes:
    return got(authority)


def test_a_token_states_when_its_digest_existed(authority: Authority) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)  # a token has whole seconds
    at = timestamps.verify(got(authority), DIGEST, authority.roots)
    assert before <= at <= datetime.now(UTC)


def test_openssl_verifies_the_same_token(authority: Authority, token: bytes, tmp_path: Path) -> None:
    """What is kept is the token itself, as other people's tools expect it."""
    (tmp_path / "token").write_bytes(token)
    (tmp_path / "roots.pem").write_bytes(b"".join(authority.roots))
    command = ["openssl", "ts", "-verify", "-digest", DIGEST.hex(), "-in", "token", "-token_in", "-CAfile", "roots.pem"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verification: OK" in checked.stdout + checked.stderr


def test_an_rsa_authority_with_a_chain_in_another_order_than_der_s_is_taken(tmp_path: Path) -> None:
    """OpenSSL's own server sends its certificates in such an order."""
    for number in range(3):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        authority = Authority(tmp_path / str(number), key=key, chain=True)
        assert timestamps.verify(got(authority), DIGEST, authority.roots)


def test_a_pinned_file_may_hold_the_chain_and_other_roots(authority: Authority, tmp_path: Path) -> None:
    other, chained = Authority(tmp_path / "other"), Authority(tmp_path / "chained", chain=True)
    everything = [pem(other.root) + pem(chained.root), *authority.roots]
    for each in (other, chained, authority):
        assert timestamps.verify(got(each), DIGEST, everything)
    assert timestamps.verify(got(chained), DIGEST, [pem(chained.middle) + pem(chained.root)])


def test_a_token_over_another_digest_is_refused(authority: Authority, token: bytes) -> None:
    with pytest.raises(InvalidTimestamp, match="stands over another digest"):
        timestamps.verify(token, OTHER, authority.roots)


def test_a_certificate_that_had_expired_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path, years=(-2, -1))
    with pytest.raises(InvalidTimestamp, match="had expired when it signed"):
        timestamps.verify(got(authority), DIGEST, authority.roots)


def test_a_certificate_that_was_not_valid_yet_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path, years=(1, 2))
    with pytest.raises(InvalidTimestamp, match="not valid yet"):
        timestamps.verify(got(authority), DIGEST, authority.roots)


def test_an_authority_that_is_not_pinned_is_refused(token: bytes, tmp_path: Path) -> None:
    """Also one that calls itself the same."""
    with pytest.raises(InvalidTimestamp, match="lead to a pinned root"):
        timestamps.verify(token, DIGEST, Authority(tmp_path).roots)


def test_an_intermediate_alone_pins_nothing(tmp_path: Path) -> None:
    authority = Authority(tmp_path, chain=True)
    with pytest.raises(InvalidTimestamp, match="lead to a pinned root"):
        timestamps.verify(got(authority), DIGEST, [pem(authority.middle)])


@pytest.mark.parametrize("roots", [[], [b""], [b"no certificate"], [b"-----BEGIN CERTIFICATE-----\nMIIB\n"]])
def test_without_a_pinned_certificate_nothing_is_taken(token: bytes, roots: list[bytes]) -> None:
    with pytest.raises(InvalidTimestamp, match="pinned"):
        timestamps.verify(token, DIGEST, roots)


def test_no_altered_bit_of_a_token_is_taken(authority: Authority, token: bytes) -> None:
    for place in range(len(token)):
        altered = bytearray(token)
        altered[place] ^= 1 << place % 8
        with pytest.raises(InvalidTimestamp):
            timestamps.verify(bytes(altered), DIGEST, authority.roots)
        with pytest.raises(InvalidTimestamp):
            timestamps.stated(bytes(altered), DIGEST)


def test_a_token_states_its_time_to_those_who_pin_nobody(authority: Authority, token: bytes, tmp_path: Path) -> None:
    """That shows the token to be whole, and nothing of who made it."""
    assert timestamps.stated(token, DIGEST) == timestamps.verify(token, DIGEST, authority.roots)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert timestamps.stated(got(Authority(tmp_path, key=key, chain=True)), DIGEST)
    with pytest.raises(InvalidTimestamp, match="another digest"):
        timestamps.stated(token, OTHER)
    for garbage in (b"", b"garbage", token[:-1], token + b"\0"):
        with pytest.raises(InvalidTimestamp, match="no RFC 3161"):
            timestamps.stated(garbage, DIGEST)
    with pytest.raises(InvalidTimestamp, match="signature does not fit"):
        timestamps.stated(token[:-1] + bytes([token[-1] ^ 1]), DIGEST)


def test_what_is_no_token_is_refused(authority: Authority, token: bytes) -> None:
    whole_answer = b"\x30\x82" + (len(token) + 5).to_bytes(2, "big") + b"\x30\x03\x02\x01\x00" + token
    for garbage in (b"", b"\0", b"garbage", token[:-1], token + b"\0", token[:50], whole_answer, b"\x30\x80" * 500):
        with pytest.raises(InvalidTimestamp, match="no RFC 3161"):
            timestamps.verify(garbage, DIGEST, authority.roots)


@pytest.mark.parametrize("answer", [b"", b"garbage", b"<html>no</html>", b"\x30\x03\x02\x01\x00", bytes(1000)])
def test_an_answer_that_is_no_time_stamp_is_told(answer: bytes) -> None:
    with serving(lambda query: answer) as url, pytest.raises(NotStamped, match="did not answer with a time stamp"):
        timestamps.stamp(DIGEST, url=url, timeout=30)


def test_a_granted_answer_without_a_token_is_told() -> None:
    with serving(lambda query: b"\x30\x05\x30\x03\x02\x01\x00") as url, pytest.raises(NotStamped, match="of no use"):
        timestamps.stamp(DIGEST, url=url, timeout=30)


def test_an_authority_that_refuses_is_quoted(tmp_path: Path) -> None:
    authority = Authority(tmp_path, digests="sha512")
    with serving(authority.answer) as url, pytest.raises(NotStamped, match=r"answered «rejection»: .*not supported"):
        timestamps.stamp(DIGEST, url=url, timeout=30)


def test_an_old_answer_is_not_taken_for_a_new_one(authority: Authority) -> None:
    answers: list[bytes] = []

    def the_first(query: bytes) -> bytes:
        answers.append(authority.answer(query))
        return answers[0]

    with serving(the_first) as url:
        timestamps.stamp(DIGEST, url=url, timeout=30)
        with pytest.raises(NotStamped, match="another question"):
            timestamps.stamp(DIGEST, url=url, timeout=30)
        with pytest.raises(NotStamped, match="another digest"):
            timestamps.stamp(OTHER, url=url, timeout=30)


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_a_refusal_of_the_server_is_told(status: int) -> None:
    with serving(lambda query: status) as url, pytest.raises(NotStamped, match=f"answered {status}"):
        timestamps.stamp(DIGEST, url=url, timeout=30)


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_not_followed(status: int) -> None:
    with (
        serving(lambda query: status) as url,
        pytest.raises(NotStamped, match=f"answered {status}"),
    ):
        timestamps.stamp(DIGEST, url=url, timeout=30)


def test_an_endless_answer_is_cut_off() -> None:
    with serving(lambda query: bytes(3 << 20)) as url, pytest.raises(NotStamped, match="longer than 1 MiB"):
        timestamps.stamp(DIGEST, url=url, timeout=30)


def test_a_silent_authority_is_given_up() -> None:
    with serving(lambda query: None) as url, pytest.raises(NotStamped, match=r"did not answer within 0\.2 seconds"):
        timestamps.stamp(DIGEST, url=url, timeout=0.2)


def test_an_authority_that_is_not_there_is_told() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # taken and not listened to
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(NotStamped, match="can't be reached"):
            timestamps.stamp(DIGEST, url=url, timeout=30)


def test_an_answer_that_is_no_http_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(NotStamped, match=r"did not answer within|can't be r"):
            timestamps.stamp(DIGEST, url=url, timeout=0.2)


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "ftp://host/", "http://", "http://a b/", "http://h:99999/"])
def test_only_an_address_of_http_is_asked(url: str) -> None:
    with pytest.raises(NotStamped, match="must be one of http or https"):
        timestamps.stamp(DIGEST, url=url, timeout=30)


def test_only_a_sha256_digest_is_stamped() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        timestamps.stamp(b"short", url="http://127.0.0.1:9", timeout=30)
