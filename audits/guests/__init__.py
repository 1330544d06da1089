"""Checks that a team brings as a package (docs/reference/own-checks.md).

A package is found by its entry point and declared in JSON. Web and worker read these declarations and its result, both
data; its code is imported in a confined child only.
"""

from audits.guests.check import Guest, found
from audits.guests.packages import Unusable

__all__ = ["Guest", "Unusable", "found"]
