"""Which endpoint may be called, judged without calling it: origins, paths and addresses. No model is scored here."""

import ipaddress
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from audits.sandbox.failures import ChildFailed

MLFLOW, KSERVE = "mlflow", "kserve-v2"
PROTOCOLS = (MLFLOW, KSERVE)
PORTS = {"https": 443, "http": 80}
_SEGMENT = re.compile(r"[\w.~-]+", re.ASCII)
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Allowed:
    """What the operator allows: origins, networks that are not public, and a token for an origin."""

    origins: Sequence[str] = ()
    networks: Sequence[str] = ()
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Endpoint:
    scheme: str
    host: str
    port: int
    path: str
    protocol: str

    @property
    def origin(self) -> str:
        return _origin(self.scheme, self.host, self.port)


def read(said: Any, allowed: Allowed) -> Endpoint:
    """The endpoint that a version names, {"url", "protocol", "model"}; ValueError says why it can't be called."""
    if not isinstance(said, Mapping) or not isinstance(said.get("url"), str) or said.get("protocol") not in PROTOCOLS:
        raise ValueError(f"An endpoint is {{“url”, “protocol”}} with one of the protocols {', '.join(PROTOCOLS)}.")
    try:
        parts = urlsplit(said["url"])
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise ValueError("The endpoint’s url can’t be read.") from error
    if parts.scheme not in PORTS or not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ValueError("The endpoint’s url must be https://host/path, without user, query or fragment.")
    if _origin(parts.scheme, parts.hostname, port) not in {normal(each) for each in allowed.origins}:
        raise ValueError(
            f"No endpoint may be called at {parts.scheme}://{parts.hostname}:{port}: the administrator lists in "
            "COUNTERSIGN_SCORING_HOSTS those that may."
        )
    segments = [segment for segment in parts.path.split("/") if segment]
    if not all(_SEGMENT.fullmatch(segment) and segment.strip(".") for segment in segments):
        raise ValueError("The endpoint’s path may hold letters, digits, “-”, “_”, “.” and “~” alone.")
    if said["protocol"] == MLFLOW:
        segments += [] if segments[-1:] == ["invocations"] else ["invocations"]
    else:
        model = said.get("model")
        if not isinstance(model, str) or not _SEGMENT.fullmatch(model) or not model.strip("."):
            raise ValueError("An endpoint of the protocol kserve-v2 needs the name of its “model”.")
        segments += ["v2", "models", model, "infer"]
    path = "/" + "/".join(segments)
    return Endpoint(parts.scheme, parts.hostname, port, path, said["protocol"])


def pinned(host: str, port: int, allowed: Allowed) -> str:
    """The address to connect to: looked up once, so that no later answer of the name server counts."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise _refused(f"The endpoint’s host {host} can’t be found.") from error
    addresses = [str(each[4][0]) for each in found]
    try:
        networks = [ipaddress.ip_network(each) for each in allowed.networks]
    except ValueError as error:
        raise _refused(f"COUNTERSIGN_SCORING_NETWORKS can’t be read: {error}.") from error
    for address in addresses:
        if not all(_reachable(each, networks) for each in _meant(ipaddress.ip_address(address.partition("%")[0]))):
            raise _refused(
                f"The endpoint’s host {host} has the address {address}, which is not public: the administrator lists "
                "networks that may be reached in COUNTERSIGN_SCORING_NETWORKS."
            )
    return addresses[0]


def _meant(address: Address) -> list[Address]:
    """The address, and the IPv4 address that it stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    inner = [each for each in (address.sixtofour, (address.teredo or (None, None))[1]) if each is not None]
    if address in _TRANSLATED:
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [address, *inner]


def _reachable(address: Address, networks: Sequence[Network]) -> bool:
    if any(address in network for network in networks):
        return True
    return address.is_global and not address.is_multicast


def _origin(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host.lower()}:{port}"


def normal(origin: str) -> str:
    """A listed origin with scheme and port; a bare host means https."""
    parts = urlsplit(origin if "://" in origin else f"https://{origin}")
    return _origin(parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0))


def _refused(sentence: str) -> ChildFailed:
    return ChildFailed(sentence, kind="refused")
