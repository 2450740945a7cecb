"""Envelopes: what was sealed comes back, and any other bytes are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import IndexDamagedError
from engine.storage.envelope import HEADER_BYTES, as_array, seal, unseal

KEYS = st.binary(min_size=1, max_size=511)
PAYLOADS = st.binary(max_size=300)


@given(KEYS, PAYLOADS)
def test_round_trip(key: bytes, payload: bytes) -> None:
    value = seal(key, payload)
    assert len(value) == HEADER_BYTES + len(payload)
    for check_payload in (True, False):
        assert unseal(key, memoryview(value), "x", check_payload=check_payload) == payload


@given(KEYS, st.lists(PAYLOADS, max_size=5))
def test_pieces_are_joined(key: bytes, pieces: list[bytes]) -> None:
    assert seal(key, pieces) == seal(key, tuple(pieces)) == seal(key, b"".join(pieces))


@given(KEYS, PAYLOADS, st.data())
def test_any_flipped_bit_is_refused(key: bytes, payload: bytes, data: st.DataObject) -> None:
    value = seal(key, payload)
    bit = data.draw(st.integers(0, 8 * len(value) - 1))
    value[bit // 8] ^= 1 << bit % 8
    with pytest.raises(IndexDamagedError, match=r"^the part is damaged: "):
        unseal(key, memoryview(value), "the part")


def test_every_bit_of_the_header_is_covered_without_the_payload() -> None:
    for bit in range(8 * HEADER_BYTES):
        value = seal(b"key", b"payload")
        value[bit // 8] ^= 1 << bit % 8
        with pytest.raises(IndexDamagedError, match="header"):
            unseal(b"key", memoryview(value), "the part", check_payload=False)


@given(KEYS, KEYS, PAYLOADS)
def test_a_value_under_another_key_is_refused(key: bytes, other: bytes, payload: bytes) -> None:
    value = memoryview(seal(key, payload))
    if key != other:
        with pytest.raises(IndexDamagedError, match="header"):
            unseal(other, value, "the part")


@given(PAYLOADS, st.integers(0, 400), st.binary(min_size=1, max_size=9))
def test_shorter_and_longer_values_are_refused(payload: bytes, size: int, more: bytes) -> None:
    value = seal(b"key", payload)
    for wrong in (value[: min(size, len(value) - 1)], bytes(value) + more):
        with pytest.raises(IndexDamagedError):
            unseal(b"key", memoryview(wrong), "the part", check_payload=False)


@pytest.mark.parametrize("dtype", ["u1", "<u2", "<u4", "<i4", "<u8", "<f4", "V16"])
@pytest.mark.parametrize("count", [0, 1, 7])
@pytest.mark.parametrize("shift", range(8))
def test_arrays_are_read_only_and_aligned(dtype: str, count: int, shift: int) -> None:
    size = count * np.dtype(dtype).itemsize
    array = np.frombuffer(bytes(range(size)), dtype)
    sealed = seal(b"key", array)
    # A small value lies anywhere in its page.
    page = bytes(shift) + sealed
    read = as_array(unseal(b"key", memoryview(page)[shift:], "x"), dtype)
    assert read.tobytes() == array.tobytes()
    assert read.dtype == np.dtype(dtype)
    assert not read.flags.writeable
    assert read.ctypes.data % 8 == 0 or not count


def test_arrays_need_not_be_contiguous() -> None:
    array = np.arange(24, dtype=np.uint32).reshape(4, 6)
    assert seal(b"key", array[:, ::2]) == seal(b"key", array[:, ::2].tobytes())
