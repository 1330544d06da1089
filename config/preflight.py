"""What must be there before anything is installed. Standard library only, and readable by old Pythons."""

import ctypes.util
import os
import socket
import sys
from typing import Optional

Sentence = Optional[str]  # what is missing and the command that mends it

# the first four draw the PDFs, the last one runs boosted trees
LIBRARIES = ["pango-1.0", "pangoft2-1.0", "harfbuzz", "harfbuzz-subset", "gomp"]
MEND = "apt-get install -y libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core libgomp1"


def wrong_python() -> Sentence:
    if sys.version_info[:2] != (3, 11):
        mend = "Install it (apt-get install -y python3.11), or name it: make PYTHON=/path/to/python3.11 run"
        return "Countersign needs Python 3.11; this is %d.%d. %s" % (sys.version_info[0], sys.version_info[1], mend)
    return None


def no_pip() -> Sentence:
    try:
        import pip  # type: ignore[import-not-found] # noqa: F401
    except ImportError:
        return "pip is missing, which fetches everything else: apt-get install -y python3-pip"
    return None


def missing_libraries() -> Sentence:
    missing = [name for name in LIBRARIES if not ctypes.util.find_library(name)]
    if missing:
        return "Countersign needs the system libraries that are missing here (%s): %s" % (", ".join(missing), MEND)
    return None


def busy_port(port: int) -> Sentence:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return "Port %d is busy. Choose another: make run PORT=%d" % (port, port + 1)
        except OverflowError:
            return "PORT must be from 1 to 65535, not %d." % port
    return None


def main() -> None:
    need_pip = "--installed" not in sys.argv
    found = [wrong_python(), no_pip() if need_pip else None, missing_libraries()]
    if "run" in sys.argv:
        given = os.environ.get("PORT", "8000")
        found.append(busy_port(int(given)) if given.isdigit() else "PORT must be a number, not %r." % given)
    for sentence in filter(None, found):
        sys.exit(sentence)


if __name__ == "__main__":
    main()
