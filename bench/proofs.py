"""Inclusion proofs from a log of many leaves: processor time and database reads of each, cold.

Only what proofs read is made: complete tiles, and the leaves of the right edge.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from hashlib import sha256

import django


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--leaves", type=int, default=10_000_000)
    size = asked.parse_args().leaves + 77
    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from trail import ledger, merkle, tiles

    call_command("migrate", verbosity=0)
    fill(size)
    drawn, spent, reads = random.Random(11), [], []
    root = ledger.nodes(size).root(0, size)
    for _ in range(200):
        index = drawn.randrange(size)
        began = time.process_time()
        proof = tiles.inclusion_proof(index, ledger.nodes(size))
        spent.append(1000 * (time.process_time() - began))
        with CaptureQueriesContext(connection) as asked_for:
            tiles.inclusion_proof(index, ledger.nodes(size))
        reads.append(len(asked_for))
        merkle.verify_inclusion(index, size, sha256(b"\0" + index.to_bytes(8)).digest(), proof, root)
    print(
        json.dumps(
            {
                "ms": statistics.median(spent),
                "ms_most": max(spent),
                "reads": statistics.median(reads),
                "reads_most": max(reads),
            }
        )
    )


def fill(size: int) -> None:
    from django.db import transaction

    from trail import guard, merkle, tiles
    from trail.models import Leaf, Tile

    level, count = 0, size
    below = (sha256(b"\0" + index.to_bytes(8)).digest() for index in range(size))
    with guard.opened():
        while count:
            roots: list[bytes] = []
            with transaction.atomic():
                rows: list[Tile] = []
                for index in range(count // tiles.WIDTH):
                    hashes = [next(below) for _ in range(tiles.WIDTH)]
                    roots.append(merkle.root(hashes))
                    rows.append(Tile(level=level, index=index, data=b"".join(hashes), root=roots[-1]))
                    if len(rows) == 500:
                        Tile.objects.bulk_create(rows)
                        rows.clear()
                Tile.objects.bulk_create(rows)
                if level == 0:
                    import uuid

                    first = count - count % tiles.WIDTH
                    Leaf.objects.bulk_create(
                        Leaf(index=first + place, entry_id=uuid.uuid4(), hash=hash_)
                        for place, hash_ in enumerate(below)
                    )
            level, count, below = level + 1, count // tiles.WIDTH, iter(roots)


if __name__ == "__main__":
    main()
