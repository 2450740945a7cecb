"""The manifest: what a commit consists of. Publishing a new one is what makes a commit."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from engine.errors import IndexDamagedError, IndexFormatError

FORMAT_VERSION = 1


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
            IndexFormatError: it was written by a newer version of the software.
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
            return cls(
                **{
                    **fields,
                    "quantization": Quantization(**fields["quantization"]),
                    "model": None if model is None else ModelRecord(**model),
                    "segments": segments,
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IndexDamagedError(
                f"{where} is damaged: its manifest cannot be read ({error})"
            ) from error
