"""A sequencer that notes how long entries waited; prints the 99th percentile when it is told to stop."""

from __future__ import annotations

import json
import signal
import sys
import time

import django


def main() -> None:
    django.setup()
    from trail import ledger
    from trail.models import Leaf, Tree
    from trail.sequencer import PAUSE

    grown: list[tuple[float, int]] = []
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopping.append(number))
    first = Tree.objects.filter(pk=1).values_list("size", flat=True).first() or 0
    while not stopping:
        taken = ledger.BATCH
        while taken == ledger.BATCH:
            taken = ledger.integrate()
            grown.append((time.time(), Tree.objects.values_list("size", flat=True).get(pk=1)))
        time.sleep(PAUSE)
    waits, step = [], iter(grown)
    until, size = next(step, (0.0, 0))
    for index, at in Leaf.objects.filter(index__gte=first).order_by("index").values_list("index", "entry__at"):
        while index >= size:
            until, size = next(step)
        waits.append(until - at.timestamp())
    waits.sort()
    print(json.dumps({"p99": waits[int(0.99 * (len(waits) - 1))] if waits else 0.0, "entries": len(waits)}))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
