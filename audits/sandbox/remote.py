"""Score rows at an endpoint that serves a model: MLflow's `invocations` or the Open Inference Protocol (KServe v2).

Whoever may register a version names the address, so it is judged as a stranger's: only an origin that the operator
lists, only the scoring path, only addresses that are public or in a network that the operator lists, looked up once and
then connected to by number; no redirect is followed, no answer is repeated in a message, and its size is limited.
"""

import contextlib
import http.client
import json
import math
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from audits.sandbox.addresses import MLFLOW, PORTS, Allowed, Endpoint, normal, pinned
from audits.sandbox.failures import Cancelled, ChildFailed
from audits.sandbox.models import same_label
from audits.sandbox.parent import Predictions

ROWS_A_REQUEST = 1000
LARGEST_ANSWER = 32 << 20
ATTEMPTS = 4
_CONNECT_SECONDS, _REQUEST_SECONDS, _LOOK_SECONDS = 5.0, 60.0, 0.25
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0
_CHUNK = 65_536
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_SUM_TOLERANCE = 1e-3
_DATATYPES = {"i": "INT64", "u": "UINT64", "f": "FP64", "b": "BOOL"}


def predict(
    endpoint: Endpoint,
    data: pd.DataFrame,
    *,
    allowed: Allowed,
    favourable: object = None,
    labels: Sequence[Any] | None = None,
    timeout: float = 300,
    on_progress: Callable[[float, str], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Predictions:
    """Score every row, or raise `ChildFailed` with one sentence, or `Cancelled`."""
    deadline = time.monotonic() + timeout
    caller = _Caller(endpoint, allowed, deadline, cancelled)
    parts = []
    for first in range(0, len(data), ROWS_A_REQUEST):
        rows = data.iloc[first : first + ROWS_A_REQUEST]
        try:
            body = json.dumps(_asked(endpoint, rows), allow_nan=False).encode()
        except ValueError as error:
            raise _failed("The dataset holds infinite numbers, which JSON can’t hold.", kind="mismatch") from error
        parts.append(_answered(endpoint, caller.post(body), len(rows)))
        if on_progress is not None:
            on_progress((first + len(rows)) / len(data), f"scored {first + len(rows)} of {len(data)} rows")
    if not parts:
        raise _failed("The dataset has no rows to score.", kind="mismatch")
    if len({part.shape[1:] for part in parts}) > 1:
        raise _failed("The endpoint answers with another number of columns from one request to the next.")
    return _predictions(np.concatenate(parts), list(map(str, data.columns)), favourable, labels)


class _Caller:
    """Requests to one address. What is tried again is the same request, and scoring changes nothing."""

    def __init__(self, endpoint: Endpoint, allowed: Allowed, deadline: float, cancelled: Callable[[], bool]) -> None:
        self.endpoint, self.deadline, self.cancelled = endpoint, deadline, cancelled
        self.address = pinned(endpoint.host, endpoint.port, allowed)
        self.headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
        for origin, token in allowed.tokens.items():
            if normal(origin) == endpoint.origin:
                self.headers["Authorization"] = f"Bearer {token}"

    def post(self, body: bytes) -> Any:
        why = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._pause(random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt)))  # noqa: S311 -- jitter
            self._check()
            try:
                status, content = self._once(body)
            except (OSError, http.client.HTTPException) as error:
                self._check()
                why = (
                    "its certificate is not valid" if isinstance(error, ssl.SSLCertVerificationError) else _said(error)
                )
                if isinstance(error, ssl.SSLCertVerificationError):
                    break
                continue
            if status == 200:
                return _parsed(content)
            why = f"it answered with the status {status}"
            if 300 <= status < 400:
                why += ", and a redirect is not followed"
            if status not in _AGAIN:
                break
        raise _failed(f"The endpoint at {self.endpoint.origin} gave no scores: {why}.")

    def _once(self, body: bytes) -> tuple[int, bytes]:
        left = max(1.0, min(_REQUEST_SECONDS, self.deadline - time.monotonic()))
        with _connected(self.endpoint, self.address, left) as connection, self._watched(connection.sock, left):
            if isinstance(connection.sock, ssl.SSLSocket):
                connection.sock.do_handshake()
            connection.request("POST", self.endpoint.path, body, self.headers)
            answer = connection.getresponse()
            if answer.status != 200:
                return answer.status, b""
            content = bytearray()
            while chunk := answer.read1(_CHUNK):
                content += chunk
                if len(content) > LARGEST_ANSWER:
                    raise _failed(f"The endpoint answered with more than {LARGEST_ANSWER >> 20} MiB.")
            if answer.length:
                raise http.client.IncompleteRead(b"", answer.length)
            return answer.status, bytes(content)

    @contextlib.contextmanager
    def _watched(self, line: socket.socket, seconds: float) -> Iterator[None]:
        """End the connection on cancelling and when time is over: a socket's own time begins anew with each byte."""
        done, ended, until = threading.Event(), threading.Event(), time.monotonic() + seconds

        def watch() -> None:
            while not done.wait(_LOOK_SECONDS):
                if self.cancelled() or time.monotonic() > until:
                    with contextlib.suppress(OSError):
                        socket.socket.shutdown(line, socket.SHUT_RDWR)  # whatever TLS thinks of it
                    ended.set()
                    return

        watcher = threading.Thread(target=watch, name="endpoint", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
        if ended.is_set():
            raise TimeoutError

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._check()
            time.sleep(min(left, _LOOK_SECONDS))

    def _check(self) -> None:
        if self.cancelled():
            raise Cancelled
        if time.monotonic() > self.deadline:
            raise _failed("The endpoint took too long and was given up.", kind="timeout")


@contextlib.contextmanager
def _connected(endpoint: Endpoint, address: str, seconds: float) -> Iterator[http.client.HTTPConnection]:
    """A connection to the pinned address, TLS still to be agreed on; the certificate must be the host's."""
    connection = http.client.HTTPConnection(endpoint.host, endpoint.port)
    connection.default_port = PORTS[endpoint.scheme]  # so that the Host header is as the server expects it
    line = socket.create_connection((address, endpoint.port), timeout=min(seconds, _CONNECT_SECONDS))
    try:
        line.settimeout(seconds)
        if endpoint.scheme == "https":
            context = ssl.create_default_context()
            line = context.wrap_socket(line, server_hostname=endpoint.host, do_handshake_on_connect=False)
        connection.sock = line
        yield connection
    finally:
        connection.close()
        line.close()


# What is asked, and what is answered


def _asked(endpoint: Endpoint, rows: pd.DataFrame) -> dict[str, Any]:
    columns = {str(name): _values(rows[name]) for name in rows.columns}
    if endpoint.protocol == MLFLOW:
        table = [list(row) for row in zip(*columns.values(), strict=True)]
        return {"dataframe_split": {"columns": list(columns), "data": table}}
    inputs = []
    for name, values in columns.items():
        if None in values:
            raise _failed(f"Column {name!r} has empty cells, which the protocol kserve-v2 can’t send.", kind="mismatch")
        kind = _DATATYPES.get(rows[name].dtype.kind, "BYTES")
        inputs.append({"name": name, "shape": [len(rows), 1], "datatype": kind, "data": values})
    return {"inputs": inputs}


def _values(column: pd.Series) -> list[Any]:
    return [None if missing else value for value, missing in zip(column.tolist(), column.isna(), strict=True)]


def _answered(endpoint: Endpoint, said: Any, count: int) -> Any:
    """Numbers, (rows,) or (rows, classes)."""
    try:
        found = _of_mlflow(said) if endpoint.protocol == MLFLOW else _of_kserve(said)
        values = np.asarray(found)
        if values.dtype.kind not in "iuf":
            raise ValueError("the endpoint returns labels, not numbers")
        values = values.astype(np.float64)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise _failed("The endpoint’s answer is not one of its protocol.") from error
    except ValueError as error:
        raise _failed(f"The endpoint’s answer can’t be used: {error}.") from error
    if values.ndim > 1 and values.shape[1:] == (1,):
        values = values[:, 0]
    if values.ndim not in (1, 2) or len(values) != count:
        raise _failed(f"The endpoint was given {count} rows and answered with the shape {values.shape}.")
    if not np.isfinite(values).all():
        raise _failed("The endpoint returned no number for some rows.", kind="mismatch")
    return values


def _of_mlflow(said: Any) -> Any:
    found = said["predictions"]
    if found and isinstance(found[0], Mapping):
        return [list(row.values()) for row in found]
    return found


def _of_kserve(said: Any) -> Any:
    outputs = [each for each in said["outputs"] if str(each["datatype"]).startswith(("FP", "INT", "UINT"))]
    if len(outputs) != 1:
        outputs = [each for each in outputs if "prob" in str(each["name"]).lower()]
    if len(outputs) != 1:
        raise ValueError("it must have one output of numbers, or one whose name says that it holds probabilities")
    shape = [int(size) for size in outputs[0]["shape"]]
    flat = np.asarray(outputs[0]["data"])
    if flat.size != math.prod(shape):
        raise ValueError("an output has another size than its shape")
    return flat.reshape(shape)


def _predictions(values: Any, features: list[str], favourable: object, labels: Sequence[Any] | None) -> Predictions:
    notes = ["The scores are an endpoint’s answers at the time of the run, which can’t be tied to a digest."]
    common: dict[str, Any] = {"features": features, "libraries": {}, "notes": notes, "confinement": {}}
    if values.ndim == 1:
        if np.isin(values, (0, 1)).all():
            notes.append("The endpoint returned nothing but 0 and 1: these are decisions, not scores.")
        return Predictions(score=values, scores=None, labels=None, classes=[], scale="raw", **common)
    classes = list(labels) if labels else list(range(values.shape[1]))
    if len(classes) != values.shape[1]:
        raise _failed(f"The endpoint has {values.shape[1]} classes; {len(classes)} labels were given.", kind="mismatch")
    at = len(classes) - 1
    if favourable is not None:
        at = next((place for place, label in enumerate(classes) if same_label(label, favourable)), -1)
    if at < 0:
        listed = ", ".join(map(str, classes))
        raise _failed(
            f"The endpoint’s classes are {listed}, and {favourable!r} is none of them: say in `labels` what they stand "
            "for, in this order.",
            kind="mismatch",
        )
    likely = bool((values >= 0).all()) and np.allclose(values.sum(axis=1), 1.0, atol=_SUM_TOLERANCE)
    return Predictions(
        score=values[:, at],
        scores=values,
        labels=[classes[place] for place in values.argmax(axis=1)],
        classes=classes,
        scale="probability" if likely else "raw",
        **common,
    )


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _failed("The endpoint’s answer is not JSON.") from error


def _said(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not valid"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return "the connection failed" if isinstance(error, OSError) else "its answer is not HTTP or is cut short"


def _failed(sentence: str, *, kind: str = "refused") -> ChildFailed:
    return ChildFailed(sentence, kind=kind)
