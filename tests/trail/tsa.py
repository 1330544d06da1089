"""A real time-stamp authority for tests: `openssl ts` behind a small web server on this machine."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
YEAR = timedelta(days=365)
CONFIG = """
[tsa]
default_tsa = authority
[authority]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = {digests}
ess_cert_id_alg = sha256
ess_cert_id_chain = no
"""


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def certificate(
    subject: str,
    key: Key,
    *,
    issuer: str,
    issuer_key: Key,
    authority: bool = False,
    years: tuple[int, int] = (-3, 9),
) -> x509.Certificate:
    """One that may issue others, or one for time-stamping alone; `years` from now on."""
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + years[0] * YEAR)
        .not_valid_after(now + years[1] * YEAR)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage(signs=authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if not authority:
        built = built.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return built.sign(issuer_key, hashes.SHA256())


def usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def pem(one: x509.Certificate) -> bytes:
    return one.public_bytes(serialization.Encoding.PEM)


class Authority:
    """A root, perhaps an intermediate, and a signer that answers queries."""

    def __init__(
        self,
        folder: Path,
        *,
        years: tuple[int, int] = (-1, 1),
        key: Key | None = None,
        chain: bool = False,
        digests: str = "sha256",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.chain = folder, chain
        root_key, middle_key, key = new_key(), new_key(), key or new_key()
        self.root = certificate("Root", root_key, issuer="Root", issuer_key=root_key, authority=True)
        self.middle = certificate("Middle", middle_key, issuer="Root", issuer_key=root_key, authority=True)
        issuer, issuer_key = ("Middle", middle_key) if chain else ("Root", root_key)
        signer = certificate("Time", key, issuer=issuer, issuer_key=issuer_key, years=years)
        (folder / "serial").write_text("01\n")
        (folder / "config").write_text(CONFIG.format(folder=folder, digests=digests))
        (folder / "signer.pem").write_bytes(pem(signer))
        (folder / "chain.pem").write_bytes(pem(self.root) + pem(self.middle))
        (folder / "key.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    @property
    def roots(self) -> list[bytes]:
        return [pem(self.root)]

    def answer(self, query: bytes) -> bytes:
        asked, answered = self.folder / "query", self.folder / "answer"
        asked.write_bytes(query)
        command = ["openssl", "ts", "-reply", "-config", "config", "-queryfile", asked.name, "-out", answered.name]
        command += ["-inkey", "key.pem", "-signer", "signer.pem", *(["-chain", "chain.pem"] if self.chain else [])]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        return answered.read_bytes()


@contextmanager
def serving(
    answer: Callable[[bytes], bytes | int | None], *, asked_as: str | None = "application/timestamp-query"
) -> Iterator[str]:
    """The address of a server that answers with the bytes, with the status, or, told None, not at all."""
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            assert asked_as in (None, self.headers["Content-Type"])
            reply = answer(query)
            if reply is None:
                released.wait()
                return
            status, body = (reply, b"no") if isinstance(reply, int) else (200, reply)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Nothing to the test's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tsa"
        finally:
            released.set()
            server.shutdown()
            thread.join()
