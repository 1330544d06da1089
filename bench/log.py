"""A published log of many events, as `manage.py publish_log` writes it, with the key to pin: for verify.py --log."""

from __future__ import annotations

import argparse
from pathlib import Path

import django


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("folder", type=Path)
    asked.add_argument("--events", type=int, default=1_000_000)
    given = asked.parse_args()
    django.setup()
    from django.conf import settings

    from trail import keys, merkle, notes, publishing, tiles

    def body(index: int) -> bytes:
        commitments = ",".join(f'"facts.f{name}":"{index:043d}="' for name in range(8))
        return f'{{"at":"2026-01-01T00:00:00+00:00","id":"{index:036d}","sealed":{{{commitments}}},"v":2}}'.encode()

    folder, count, level = given.folder, given.events, 0
    below: list[bytes] = []
    for tile in range(-(-count // tiles.WIDTH)):
        width = min(tiles.WIDTH, count - tile * tiles.WIDTH)
        bodies = [body(tile * tiles.WIDTH + place) for place in range(width)]
        below += [merkle.leaf_hash(each) for each in bodies]
        put(
            folder / "tile" / "entries" / publishing.path_of(tile, width),
            b"".join(len(each).to_bytes(2) + each for each in bodies),
        )
    root = merkle.root(below)
    while below:
        above = []
        for tile in range(-(-len(below) // tiles.WIDTH)):
            hashes = below[tile * tiles.WIDTH : (tile + 1) * tiles.WIDTH]
            put(folder / "tile" / str(level) / publishing.path_of(tile, len(hashes)), b"".join(hashes))
            if len(hashes) == tiles.WIDTH:
                above.append(merkle.root(hashes))
        below, level = above, level + 1
    text = notes.checkpoint_text(settings.LOG_ORIGIN, count, root)
    put(folder / "checkpoint", notes.sign_note(text, name=settings.LOG_ORIGIN, private_key=keys.signing_key()).encode())
    put(folder / "key", keys.verifier_key().encode())


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


if __name__ == "__main__":
    main()
