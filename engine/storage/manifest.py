"""The manifest: what a commit consists of. Publishing a new one is what makes a commit."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from engine.errors import IndexDamagedError, IndexFormatError

FORMAT_VERSION = 1
OLDEST_FORMAT_VERSION = 1
# Counts beyond this are no counts; every number up to it is exact in JSON.
_LARGEST_NUMBER = 1 << 53
# Tables of a reader have a row for each entry of the vocabulary: a number that somebody else wrote
# shall not take all memory.
MOST_TERMS = 16_000_000
_LARGEST_WEIGHT = 2.0**128  # the power of two above the largest float32


@dataclass(frozen=True, slots=True)
class Quantization:
    """How weights become impacts: `impact = round(weight / step)`, at least 1, at most 65535."""

    max_weight: float

    @property
    def step(self) -> float:
        """The weight of impact 1."""
        return self.max_weight / 65536


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """The model that an index was built with, as far as it must be known afterwards."""

    name: str
    fingerprint: str
    max_length: int  # tokens of a document that are encoded
    query_prompt: str = ""  # goes before every query; empty for nearly all models


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """Counts of a block."""

    documents: int
    terms: int
    postings: int
    dense_rows: int


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """Counts of a segment. `deleted` documents are marked in its tombstones."""

    number: int
    documents: int
    has_documents: bool
    blocks: tuple[BlockRecord, ...]
    deleted: int = 0

    @property
    def postings(self) -> int:
        """Postings of all blocks, those of deleted documents included."""
        return sum(block.postings for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One commit of an index."""

    vocabulary_size: int
    quantization: Quantization
    model: ModelRecord | None
    segments: tuple[SegmentRecord, ...] = ()
    next_segment: int = 0
    transaction: int = 0
    software: str = ""
    format_version: int = FORMAT_VERSION

    @property
    def documents(self) -> int:
        """Live documents."""
        return sum(segment.documents - segment.deleted for segment in self.segments)

    def to_bytes(self) -> bytes:
        """Serialise as JSON."""
        return json.dumps(dataclasses.asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> Manifest:
        """Read a manifest.

        Raises:
            IndexFormatError: it was written in a newer format, or in one that is too old.
            IndexDamagedError: it cannot be understood.
        """
        try:
            fields = json.loads(data)
            version = fields["format_version"]
            if not isinstance(version, int) or version > FORMAT_VERSION:
                raise IndexFormatError(
                    f"{where} has format version {version}, written by sabana-search "
                    f"{fields.get('software', 'of a later release')}; this version reads up to "
                    f"{FORMAT_VERSION}: upgrade with `pip install --upgrade sabana-search`"
                )
            if version < OLDEST_FORMAT_VERSION:
                raise IndexFormatError(
                    f"{where} has format version {version}, written by sabana-search "
                    f"{fields.get('software', 'of an earlier release')}; this version reads from "
                    f"{OLDEST_FORMAT_VERSION} on: build it anew with `engine index CATALOG --model "
                    f"NAME --rebuild --index {where}`"
                )
            segments = tuple(
                SegmentRecord(
                    **{
                        **segment,
                        "blocks": tuple(BlockRecord(**block) for block in segment["blocks"]),
                    }
                )
                for segment in fields["segments"]
            )
            model = fields["model"]
            manifest = cls(
                **{
                    **fields,
                    "quantization": Quantization(**fields["quantization"]),
                    "model": None if model is None else ModelRecord(**model),
                    "segments": segments,
                }
            )
            _refuse_other_types(manifest)
            if manifest.vocabulary_size > MOST_TERMS:
                raise ValueError(f"vocabulary_size is {manifest.vocabulary_size}")
            return manifest
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise IndexDamagedError(
                f"{where} is damaged: its manifest cannot be read ({error})"
            ) from error


def _refuse_other_types(record: Any) -> None:
    """Check that fields hold what they are declared to hold: JSON of other people may not.

    Raises:
        ValueError: one of them does not.
    """
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        match field.type:
            case "int":
                is_right = type(value) is int and 0 <= value <= _LARGEST_NUMBER
            case "float":
                is_right = type(value) in (int, float) and 0 <= value <= _LARGEST_WEIGHT
            case "bool":
                is_right = type(value) is bool
            case "str":
                is_right = type(value) is str
            case _:
                is_right = True
                for part in value if isinstance(value, tuple) else (value,):
                    if dataclasses.is_dataclass(part):
                        _refuse_other_types(part)
        if not is_right:
            raise ValueError(f"{field.name} is {value!r}")
