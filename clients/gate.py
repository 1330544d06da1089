#!/usr/bin/env python3
"""Ask Countersign whether an artifact may go to a target: one file, Python 3.9 or later, nothing to install.

    COUNTERSIGN_TOKEN=... python3 gate.py --url https://countersign.example --target production --file model.skops

Exit status: 0 allowed, 1 blocked (the reasons are printed, one a line), 2 no answer that can be relied on.
Whatever goes wrong, the answer is never "allowed".
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from hashlib import sha256
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

MOST_BYTES = 1 << 23
ALLOWED, BLOCKED, ERROR = 0, 1, 2


class NoAnswer(Exception):
    """Why there is no answer that can be relied on."""


class FollowNoRedirect(HTTPRedirectHandler):
    """A redirect could carry the token to another host, or the question to another server."""

    def redirect_request(  # noqa: PLR0917 - the signature is urllib's
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        raise NoAnswer(f"The server redirects to {newurl}. If that is Countersign, give its address as --url.")


def main(arguments: list[str] | None = None) -> int:
    options = parsed(arguments)
    try:
        answer = evaluate(options)
        if options.attestation and answer["decision"] == "allowed":
            keep(answer.get("attestation"), Path(options.attestation))
        say(answer, as_json=options.json)
    except NoAnswer as problem:
        print(plain(f"error: {problem}"), file=sys.stderr)
        return ERROR
    except Exception as error:  # noqa: BLE001 - a traceback would end with 1, which says "blocked"
        print(plain(f"error: {type(error).__name__}: {error}"), file=sys.stderr)
        return ERROR
    return ALLOWED if answer["decision"] == "allowed" else BLOCKED


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ask Countersign whether an artifact may go to a target.")
    parser.add_argument("--url", required=True, help="where Countersign is, such as https://countersign.example")
    parser.add_argument("--token", default="", help="an API token; better in the variable COUNTERSIGN_TOKEN")
    parser.add_argument("--target", required=True, help="where the artifact shall go, such as production")
    artifact = parser.add_mutually_exclusive_group(required=True)
    artifact.add_argument("--digest", help="sha256: and the 64 hexadecimal digits of the artifact's SHA-256")
    artifact.add_argument("--file", help="the artifact itself; only its SHA-256 is sent")
    parser.add_argument("--json", action="store_true", help="print the server's answer as JSON")
    parser.add_argument("--attestation", metavar="OUT", help="write the signed attestation of an allowed artifact here")
    parser.add_argument("--timeout", type=float, default=30, help="seconds to wait (30)")
    return parser.parse_args(arguments)


def evaluate(options: argparse.Namespace) -> dict[str, Any]:
    question = {"digest": digest_of(options), "target": options.target}
    request = Request(  # noqa: S310 - endpoint() lets http and https pass alone
        endpoint(options.url),
        data=json.dumps(question).encode(),
        headers={
            "Authorization": f"Bearer {token_of(options)}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "countersign-gate/1",
        },
        method="POST",
    )
    return parse_answer(send(request, options.timeout))


def digest_of(options: argparse.Namespace) -> str:
    if options.file:
        return file_digest(Path(options.file))
    if not re.fullmatch("sha256:[0-9a-f]{64}", options.digest):
        raise NoAnswer("--digest must be sha256: and 64 lower-case hexadecimal digits.")
    return str(options.digest)


def file_digest(path: Path) -> str:
    digest = sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except (OSError, ValueError) as error:
        raise NoAnswer(f"--file: {path} can't be read: {error}.") from None
    return "sha256:" + digest.hexdigest()


def token_of(options: argparse.Namespace) -> str:
    token = options.token or os.environ.get("COUNTERSIGN_TOKEN", "")
    if not re.fullmatch("[!-~]+", token):
        raise NoAnswer("No usable token: set COUNTERSIGN_TOKEN, or give --token, to an API token on one line.")
    return str(token)


def endpoint(url: str) -> str:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        known = False
    if not known or parts.username or parts.query or parts.fragment or not re.fullmatch("[!-~]+", url):
        raise NoAnswer("--url must be an address such as https://countersign.example, without user, query or fragment.")
    return url.rstrip("/").removesuffix("/api/v1").rstrip("/") + "/api/v1/gates/evaluate/"


def send(request: Request, timeout: float) -> bytes:
    opener = build_opener(FollowNoRedirect)
    try:
        return received(opener, request, timeout)
    except HTTPError as error:
        with error:
            raise NoAnswer(f"The server answered {error.code} {error.reason}{problem_in(error)}.") from None
    except URLError as error:
        raise NoAnswer(f"{request.full_url} can't be reached: {error.reason}.") from None
    except TimeoutError:
        raise NoAnswer(f"The server did not answer within {timeout:g} seconds.") from None
    except (OSError, HTTPException, ValueError) as error:
        raise NoAnswer(f"The server's answer can't be read: {type(error).__name__}: {error}.") from None


def received(opener: OpenerDirector, request: Request, timeout: float) -> bytes:
    deadline, body = time.monotonic() + timeout, b""
    with opener.open(request, timeout=timeout) as response:
        if response.status != 200:
            raise NoAnswer(f"The server answered {response.status}, not 200.")
        while chunk := response.read1(1 << 16):
            body += chunk
            if len(body) > MOST_BYTES:
                raise NoAnswer(f"The server's answer is longer than {MOST_BYTES >> 20} MiB.")
            if time.monotonic() > deadline:
                raise TimeoutError
        if response.length:
            raise NoAnswer("The server's answer was cut off.")
    return body


def problem_in(error: HTTPError) -> str:
    """What a problem+json answer says, if it is one."""
    try:
        content = json.loads(error.read(1 << 16))
        return f": {content.get('detail') or content['title']}".rstrip(".")
    except (OSError, HTTPException, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""


def parse_answer(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError):
        raise NoAnswer("The server's answer is not valid JSON. Is --url the address of Countersign?") from None
    if not isinstance(answer, dict) or answer.get("decision") not in ("allowed", "blocked"):
        raise NoAnswer('The server\'s answer holds no decision "allowed" or "blocked".')
    if not isinstance(answer.get("reasons", []), list):
        raise NoAnswer("The server's reasons are not a list.")
    return answer


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key stands twice")
    return content


def say(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer, indent=2))
        return
    print(plain(f"{answer['decision']} (policy version {answer.get('policy_version')})"))
    for reason in answer.get("reasons", []):
        print(plain(f"- {sentence_of(reason)}"))


def sentence_of(reason: Any) -> str:
    if not isinstance(reason, dict):
        return str(reason)
    sentence = " ".join(str(reason[key]) for key in ("sentence", "mend") if reason.get(key))
    return f"{sentence} [{reason['code']}]" if reason.get("code") else sentence or json.dumps(reason)


def plain(line: str) -> str:
    """Without codes that a terminal or a log would obey; also what its encoding can't hold is spelt out."""
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def keep(attestation: Any, path: Path) -> None:
    if not isinstance(attestation, dict):
        raise NoAnswer("The server gave no attestation, although one was asked for with --attestation.")
    try:
        path.write_text(json.dumps(attestation) + "\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        raise NoAnswer(f"--attestation: {path} can't be written: {error}.") from None


if __name__ == "__main__":
    sys.exit(main())
