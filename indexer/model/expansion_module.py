"""Document expansion as a module of sentence-transformers, which loads it by its name.

sentence-transformers is no dependency of this package: whoever loads a model there has it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import torch
from sentence_transformers.base.modules import Module

from indexer.model.expansion import DocumentExpansion, read_expansion


class DocumentExpansionModule(Module):
    """Adds to a pooled vector v (n, V) what its entries hand on to others: v + v P."""

    sources: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    config_keys = ["vocabulary_size"]  # noqa: RUF012 (the base class says so)

    def __init__(self, expansion: DocumentExpansion) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.vocabulary_size = expansion.weights.shape[0]
        self.expansion = expansion
        entries = expansion.weights.tocoo()
        self.register_buffer("sources", torch.from_numpy(entries.row).long(), persistent=False)
        self.register_buffer("targets", torch.from_numpy(entries.col).long(), persistent=False)
        self.register_buffer("weights", torch.from_numpy(entries.data), persistent=False)

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Expand `features["sentence_embedding"]`."""
        vectors = features["sentence_embedding"]
        given = vectors[:, self.sources] * self.weights.to(vectors.dtype)
        features["sentence_embedding"] = vectors.index_add(1, self.targets, given)
        return features

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write the module into a directory."""
        self.save_config(output_path)
        self.expansion.write(Path(output_path))

    @classmethod
    def load(  # type: ignore[override]  # of what it is given only where the files are matters
        cls, model_name_or_path: str, subfolder: str = "", **settings: Any
    ) -> Self:
        """Load what `save` wrote."""
        names = ("token", "cache_folder", "revision", "local_files_only")
        hub = {name: settings[name] for name in names if name in settings}
        config = cls.load_config(model_name_or_path, subfolder, **hub)
        directory = cls.load_dir_path(model_name_or_path, subfolder, **hub)
        return cls(read_expansion(Path(str(directory)), config["vocabulary_size"]))
