"""The header in front of every stored value, and the checksums that make damage visible.

LMDB does not checksum what it stores, so each value carries its own proof: a CRC-32 of the
payload, a CRC-32 of the header, and a digest of the key that it belongs to (a tree that points to
the wrong place is noticed as surely as a flipped byte). The header is 48 bytes because a large
LMDB value begins 16 bytes into a page: the payload then starts on a 64-byte boundary and can be
viewed in place by SIMD code.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import IndexDamagedError

MAGIC = b"SBNA"
ENVELOPE_VERSION = 1
# magic, envelope version, reserved, payload bytes, payload CRC, header CRC, key digest, reserved
_HEADER = struct.Struct("<4sHHQII16s8x")
HEADER_BYTES = _HEADER.size
Buffer = bytes | bytearray | memoryview | npt.NDArray[np.generic]


def seal(key: bytes, payload: Buffer | Sequence[bytes]) -> memoryview:
    """Return header and payload as the bytes to store under `key`, in memory of their own.

    Args:
        key: the LMDB key, whose digest goes into the header.
        payload: one contiguous buffer, or a sequence of byte strings to be joined.
    """
    pieces = [as_bytes(payload)] if not isinstance(payload, list | tuple) else payload
    length = sum(len(piece) for piece in pieces)
    # NumPy asks for huge pages, which a large value fills several times faster than ordinary ones.
    value = np.empty(HEADER_BYTES + length, np.uint8).data
    at = HEADER_BYTES
    for piece in pieces:
        value[at : at + len(piece)] = piece
        at += len(piece)
    crc = zlib.crc32(value[HEADER_BYTES:])
    value[:HEADER_BYTES] = _header(key, length, crc)
    return value


def unseal(key: bytes, value: memoryview, where: str, *, check_payload: bool = True) -> memoryview:
    """Return the payload of a stored value, without a copy.

    Args:
        key: the key that the value was read from.
        value: the stored bytes.
        where: what the value is, for the error message.
        check_payload: False where finer checksums cover the payload piece by piece.

    Raises:
        IndexDamagedError: header or payload are not what was written.
    """
    if len(value) < HEADER_BYTES:
        raise IndexDamagedError(f"{where} is damaged: shorter than its header")
    length, crc = struct.unpack_from("<QI", value, 8)
    if bytes(value[:HEADER_BYTES]) != _header(key, length, crc):
        raise IndexDamagedError(f"{where} is damaged: its header is not what was written")
    if len(value) != HEADER_BYTES + length:
        raise IndexDamagedError(
            f"{where} is damaged: {len(value) - HEADER_BYTES} bytes instead of {length}"
        )
    payload = value[HEADER_BYTES:]
    if check_payload and zlib.crc32(payload) != crc:
        raise IndexDamagedError(f"{where} is damaged: its checksum does not match")
    return payload


def as_array(payload: memoryview, dtype: npt.DTypeLike) -> npt.NDArray[np.generic]:
    """View a payload as a read-only array; small values that lie unaligned in a page are copied."""
    array = np.frombuffer(payload, dtype=dtype)
    if array.__array_interface__["data"][0] % 8:
        # The copy is padded into a fresh allocation, which NumPy aligns to 16 bytes or more.
        array = array.copy()
        array.flags.writeable = False
    return array


def _header(key: bytes, length: int, crc: int) -> bytes:
    digest = hashlib.blake2b(key, digest_size=16).digest()
    blank = _HEADER.pack(MAGIC, ENVELOPE_VERSION, 0, length, crc, 0, digest)
    return _HEADER.pack(MAGIC, ENVELOPE_VERSION, 0, length, crc, zlib.crc32(blank), digest)


def as_bytes(payload: Buffer | Sequence[bytes]) -> memoryview:
    """View a contiguous buffer as flat bytes, without a copy."""
    if isinstance(payload, np.ndarray):
        return np.ascontiguousarray(payload).reshape(-1).view(np.uint8).data
    return memoryview(payload).cast("B")  # type: ignore[arg-type]


def read_value(
    transaction: Any, key: bytes, where: str, *, check_payload: bool = True
) -> memoryview:
    """Return the payload stored under `key`, as a view into the map, valid with the transaction.

    Raises:
        IndexDamagedError: it is missing or damaged.
    """
    value = transaction.get(key)
    if value is None:
        raise IndexDamagedError(f"{where} is damaged: it is missing from the index")
    return unseal(key, value, where, check_payload=check_payload)
