"""Changing what an index stores behind its back, with checksums that are right again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lmdb

from engine.storage import keys
from engine.storage.envelope import HEADER_BYTES, seal
from engine.storage.snapshot import Snapshot


def payloads(path: Path) -> dict[bytes, bytes]:
    """Every stored payload of the newest commit, by its key."""
    environment = lmdb.open(str(path), map_size=1 << 30)
    with environment.begin() as transaction:
        found = {bytes(key): bytes(value)[HEADER_BYTES:] for key, value in transaction.cursor()}
    environment.close()
    return found


def reseal(path: Path, changes: Mapping[bytes, bytes | None]) -> None:
    """Put other payloads under their keys, None to remove one, in a commit that looks genuine.

    The manifest is given the number of that commit, whether it was changed or not, where it is
    JSON that has such a field.
    """
    manifest = changes.get(keys.MANIFEST)
    if manifest is None:
        snapshot = Snapshot(path)
        manifest = json.dumps(dataclasses.asdict(snapshot.manifest)).encode()
        snapshot.close()
    environment = lmdb.open(str(path), map_size=1 << 30)
    with environment.begin(write=True) as transaction:
        for key, payload in {**changes, keys.MANIFEST: manifest}.items():
            if payload is None:
                transaction.delete(key)
                continue
            if key == keys.MANIFEST:
                payload = _numbered(payload, int(transaction.id()))
            transaction.put(key, seal(key, payload))
    environment.close()


def _numbered(manifest: bytes, transaction: int) -> bytes:
    try:
        fields: Any = json.loads(manifest)
    except ValueError:
        return manifest
    if isinstance(fields, dict) and "transaction" in fields:
        fields["transaction"] = transaction
    return json.dumps(fields).encode()
