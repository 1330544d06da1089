"""Time stamps as the verifier reads them: tokens of every usual kind hold; wrong, foreign and damaged ones don't."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from tests import authority, packs
from tests.authority import AT, BETWEEN, OTHER_ROOT, ROOT, STAMPER, STAMPING, Wrong, issue, stamper, token

verifier = packs.program()
TEXT = b"countersign.test/log\n1\nAAAA\n"
PINNED = verifier.certificates_in_pem(ROOT.pem)
HONEST = token(TEXT)


def problem(data: bytes, text: bytes = TEXT, pinned: Any = None) -> str:
    try:
        said: str = verifier.stamp_problem(verifier.stamp(data), text, PINNED if pinned is None else pinned)
    except (verifier.Malformed, IndexError):
        return "cannot be read"
    return said


P384, RSA = stamper(authority.ec_key(7, ec.SECP384R1())), stamper(authority.rsa_key(3072))
STRAIGHT = stamper(issuer=ROOT)


@pytest.mark.parametrize(
    "made",
    [
        {},
        {"digest": "sha384"},
        {"imprint": "sha512"},
        {"old": True},
        {"by": P384, "digest": "sha384"},
        {"by": RSA},
        {"by": RSA, "digest": "sha512"},
        {"by": RSA, "pss": True},
        {"by": RSA, "pss": True, "digest": "sha384"},
        {"by": STRAIGHT, "sent": [STRAIGHT]},
        {"sent": [ROOT, BETWEEN, OTHER_ROOT, STAMPER]},
        {"wrong": Wrong(signer={"sid": "key"})},
        {"wrong": Wrong(info={"accuracy": {"seconds": 1}, "ordering": True})},
        {"at": AT.replace(microsecond=500_000)},
    ],
)
def test_a_token_of_each_usual_kind_holds(made: dict[str, Any]) -> None:
    by = made.get("by", STAMPER)
    data = token(TEXT, **{"sent": [by, BETWEEN], **made})
    assert problem(data) == ""
    assert verifier.stamp(data).at == made.get("at", AT)
    assert problem(data, b"else") == "is a time stamp of something else than this checkpoint."


@pytest.mark.parametrize("pinned", [ROOT, BETWEEN, STAMPER])
def test_the_pinned_certificate_may_be_any_on_the_way(pinned: authority.Issued) -> None:
    assert problem(HONEST, pinned=verifier.certificates_in_pem(pinned.pem)) == ""


def test_a_certificate_may_be_left_out_of_the_token_if_it_is_pinned() -> None:
    bare = token(TEXT, sent=[])
    assert problem(bare) == "the certificate it names is neither in it nor pinned."
    assert problem(bare, pinned=verifier.certificates_in_pem(STAMPER.pem)) == ""
    assert problem(token(TEXT, sent=[STAMPER])) == "its certificate does not lead to one that is pinned."
    both = verifier.certificates_in_pem(ROOT.pem + BETWEEN.pem)
    assert problem(token(TEXT, sent=[STAMPER]), pinned=both) == ""


def test_a_token_of_a_foreign_authority_is_refused() -> None:
    foreign = verifier.certificates_in_pem(OTHER_ROOT.pem)
    assert problem(HONEST, pinned=foreign) == "its certificate does not lead to one that is pinned."
    pretender = stamper(issuer=issue("Between", authority.ec_key(8), issuer=OTHER_ROOT, authority=True))
    assert problem(token(TEXT, by=pretender)) == "its certificate does not lead to one that is pinned."


def on(year: int) -> datetime:
    return datetime(year, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "made",
    [
        {"by": stamper(until=on(2026))},
        {"by": stamper(since=on(2027))},
        {"at": datetime(2041, 1, 1, tzinfo=UTC)},
        {"at": datetime(2019, 1, 1, tzinfo=UTC)},
    ],
    ids=["expired", "not yet valid", "after all of them", "before all of them"],
)
def test_a_certificate_out_of_its_time_is_refused(made: dict[str, Any]) -> None:
    assert "was not valid at" in problem(token(TEXT, **made))


def test_an_issuer_out_of_its_time_is_refused() -> None:
    between = issue("Short", authority.ec_key(9), issuer=ROOT, authority=True, until=on(2025))
    late = stamper(issuer=between)
    assert "was not valid at 2026-01-02 03:05:06 UTC (Short)" in problem(token(TEXT, by=late, sent=[late, between]))


def broken_chain(between: authority.Issued) -> str:
    by = stamper(issuer=between)
    return problem(token(TEXT, by=by, sent=[by, between]))


@pytest.mark.parametrize(
    "between",
    [
        issue("Between", authority.ec_key(10), issuer=ROOT),
        issue("Between", authority.ec_key(10), issuer=ROOT, authority=True, usages=[ExtendedKeyUsageOID.SERVER_AUTH]),
        issue("Between", authority.ec_key(10, ec.SECP521R1()), issuer=ROOT, authority=True),
        issue("Between", authority.ec_key(10), issuer=OTHER_ROOT, authority=True),
    ],
    ids=["no authority", "for another purpose", "of a kind that is not read", "of a namesake"],
)
def test_a_certificate_that_may_not_issue_leads_nowhere(between: authority.Issued) -> None:
    assert broken_chain(between) == "its certificate does not lead to one that is pinned."


def test_a_chain_longer_than_its_issuer_allows_leads_nowhere() -> None:
    further = issue("Further", authority.ec_key(12), issuer=BETWEEN, authority=True)
    by = stamper(issuer=further)
    assert problem(token(TEXT, by=by, sent=[by, further, BETWEEN])) == (
        "its certificate does not lead to one that is pinned."
    )


def test_certificates_that_issue_each_other_lead_nowhere() -> None:
    one = issue("One", authority.ec_key(13), authority=True)
    two = issue("Two", authority.ec_key(14), issuer=one, authority=True)
    loop = issue("One", authority.ec_key(13), issuer=two, authority=True)
    by = stamper(issuer=loop)
    assert "does not lead" in problem(token(TEXT, by=by, sent=[by, one, two, loop]))


def test_a_bag_of_certificates_that_could_all_have_issued_each_other_is_read_once() -> None:
    key = authority.ec_key(16)
    bag = [issue("Same", key, authority=True) for _ in range(14)]
    by = stamper(issuer=bag[0])
    assert "does not lead" in problem(token(TEXT, by=by, sent=[by, *bag]))
    assert problem(token(TEXT, by=by, sent=[by, *bag, *bag])) == "cannot be read"


NO_STAMPER = "its certificate is not one for time stamps and nothing else."


@pytest.mark.parametrize(
    "given",
    [
        {"usages": None},
        {"usages": [ExtendedKeyUsageOID.SERVER_AUTH]},
        {"usages": [STAMPING, ExtendedKeyUsageOID.SERVER_AUTH]},
        {"usages": [STAMPING], "critical": False},
        {"authority": True},
    ],
)
def test_a_certificate_for_other_purposes_stamps_nothing(given: dict[str, Any]) -> None:
    assert problem(token(TEXT, by=stamper(**given))) == NO_STAMPER


def test_a_critical_demand_nobody_knows_could_not_be_checked() -> None:
    odd = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4.5"), b"\x05\0")
    assert "could not check" in problem(token(TEXT, by=stamper(also=odd)))
    constrained = x509.NameConstraints([x509.DNSName("example.test")], None)
    between = issue("Between", authority.ec_key(15), issuer=ROOT, authority=True, also=constrained)
    assert "could not check" in broken_chain(between)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Wrong(flips_signature=True), "its signature does not fit."),
        (Wrong(attributes={"message_digest": bytes(32)}), "its signed attributes are not about its content."),
        (Wrong(attributes={"content_type": "data"}), "its signed attributes are not about its content."),
        (Wrong(lacks=("content_type",)), "its signed attributes are not about its content."),
        (Wrong(lacks=("message_digest",)), "its signed attributes are not about its content."),
        (Wrong(lacks=("signing_certificate_v2",)), "the certificate it names is neither in it nor pinned."),
        (Wrong(info={"version": 2}), "cannot be read"),
        (Wrong(info={"extensions": [{"extn_id": "1.2.3", "critical": True, "extn_value": b""}]}), "cannot be read"),
    ],
)
def test_a_token_that_contradicts_itself_is_refused(wrong: Wrong, said: str) -> None:
    assert problem(token(TEXT, wrong=wrong)) == said


def test_the_hash_of_another_certificate_is_refused() -> None:
    """Two certificates for one key and name: the token is bound to one of them."""
    twin = stamper()
    assert problem(token(TEXT, by=STAMPER, sent=[twin, BETWEEN])) == (
        "the certificate it names is neither in it nor pinned."
    )


def test_a_hash_that_is_broken_is_not_taken() -> None:
    assert problem(token(TEXT, imprint="sha1")) == "cannot be read"
    assert problem(token(TEXT, by=RSA, digest="sha1")) == "cannot be read"


@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80])
def test_no_altered_byte_of_what_counts_passes(mask: int) -> None:
    """What is not signed may differ: a flag nobody reads, or a certificate nobody needs. The time may not."""
    honest = verifier.stamp(HONEST)
    for place in range(len(HONEST)):
        altered = bytearray(HONEST)
        altered[place] ^= mask
        if problem(bytes(altered)) == "":
            passed = verifier.stamp(bytes(altered))
            assert (passed.at, passed.info, passed.signature) == (honest.at, honest.info, honest.signature), place


@given(st.binary(max_size=300))
def test_no_other_bytes_are_a_token(data: bytes) -> None:
    assert problem(data) != ""
    assert problem(HONEST[: len(data) * 4] + data) != ""


@given(st.data())
def test_a_token_with_pieces_cut_doubled_or_replaced_says_no_other_time(data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(HONEST)))
    end = data.draw(st.integers(begin, len(HONEST)))
    piece = data.draw(st.sampled_from([b"", HONEST[begin:end] * 2]) | st.binary(max_size=40))
    altered = HONEST[:begin] + piece + HONEST[end:]
    if problem(altered) == "":
        assert verifier.stamp(altered).at == AT


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\x80\x00\x00",  # indefinite length
        b"\x30\x81\x01\x00",  # a length in two bytes where one does
        b"\x30\x82\x00\x01\x00",  # a length with a leading zero
        b"\x30\x85\x00\x00\x00\x00\x01\x00",
        b"\x1f\x81\x00\x00",  # a tag in several bytes
        b"\x30\x05\x00",  # shorter than it says
        b"\x30",
        b"\x30\x00\x00\x00",  # something behind it
    ],
)
def test_what_is_not_der_is_refused(data: bytes) -> None:
    with pytest.raises(verifier.Malformed):
        verifier.der(data)


@pytest.mark.parametrize("data", [b"\2\0", b"\2\2\0\1", b"\2\2\xff\xff", b"\1\1\1"])
def test_a_number_has_one_spelling(data: bytes) -> None:
    with pytest.raises(verifier.Malformed):
        verifier.integer(verifier.der(data))


def test_a_number_is_read_with_its_sign() -> None:
    read = [verifier.integer(verifier.der(data)) for data in (b"\2\1\0", b"\2\1\x7f", b"\2\2\0\x80", b"\2\1\xff")]
    assert read == [0, 127, 128, -1]


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"\x17\x0d260102030405Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (b"\x17\x0d500102030405Z", datetime(1950, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (b"\x18\x0f20510102030405Z", datetime(2051, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (b"\x18\x1220260102030405.25Z", datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC)),
        (b"\x18\x1120260102030405.0Z", None),
        (b"\x18\x1020260102030405.Z", None),
        (b"\x18\x0f20261302030405Z", None),
        (b"\x18\x0e20260102030405", None),
        (b"\x18\x1320260102030405+0000", None),
        (b"\x17\x0b2601020304Z", None),
        (b"\x16\x0d260102030405Z", None),
        ("\x17\x1a２６０１０２０３０４０５Z".encode(), None),
    ],
)
def test_a_moment_has_one_spelling(data: bytes, read: datetime | None) -> None:
    element = verifier.Der(data[0], data[2:], data)
    if read:
        assert verifier.moment(element) == read
    else:
        with pytest.raises(verifier.Malformed):
            verifier.moment(element)


def test_several_authorities_may_be_pinned_of_which_one_stamped(tmp_path: Path) -> None:
    entries, _ = packs.anchored_entries()
    (tmp_path / "other.pem").write_text(OTHER_ROOT.pem)
    lines = [f"log {packs.VKEY}", "tsa other.pem", "tsa tsa.pem"]
    pins = verifier.read_pins(str(packs.written_pins(tmp_path, *lines)))
    checkpoint = verifier.read_checkpoint(entries["checkpoint.txt"], "checkpoint.txt", pins.logs)
    assert "states that the checkpoint was there" in verifier.stamped(
        entries["checkpoint.tst"], "checkpoint.tst", checkpoint, pins, {}
    )
    for data, said in ((HONEST, "something else than this checkpoint"), (b"0", "no time-stamp token")):
        with pytest.raises(verifier.Broken, match=said):
            verifier.stamped(data, "checkpoint.tst", checkpoint, pins, {})
