"""Document expansion as a module of sentence-transformers, which loads it by its name.

sentence-transformers is no dependency of this package: whoever loads a model there has it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import torch
from scipy.sparse import csr_matrix
from sentence_transformers.base.modules import Module

from indexer.model.expansion import DocumentExpansion, read_expansion


class DocumentExpansionModule(Module):
    """Expands pooled vectors (n, V), by the code that this package's own encoder uses."""

    def __init__(self, expansion: DocumentExpansion) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.expansion = expansion

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Expand `features["sentence_embedding"]`, (n, V) of any floating type, which stays.

        Raises `RuntimeError` where a gradient is asked for: it computes in NumPy and SciPy.
        """
        vectors = features["sentence_embedding"]
        if vectors.requires_grad:
            raise RuntimeError(
                "a document expansion has no gradient here: train the model with `engine train`, "
                "or encode under torch.no_grad()"
            )
        expanded = self.expansion(csr_matrix(vectors.float().cpu().numpy()))
        features["sentence_embedding"] = torch.from_numpy(expanded.toarray()).to(vectors)
        return features

    def get_embedding_dimension(self) -> int:
        """Return V."""
        return int(self.expansion.weights.shape[1])

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write the module into a directory."""
        self.expansion.write(Path(output_path))

    @classmethod
    def load(  # type: ignore[override]  # of what it is given only where the files are matters
        cls, model_name_or_path: str, subfolder: str = "", **settings: Any
    ) -> Self:
        """Load what `save` wrote; raises `ModelError` where it is damaged."""
        names = ("token", "cache_folder", "revision", "local_files_only")
        hub = {name: settings[name] for name in names if name in settings}
        config = cls.load_config(model_name_or_path, subfolder, **hub)
        directory = cls.load_dir_path(model_name_or_path, subfolder, **hub)
        return cls(read_expansion(Path(str(directory)), config.get("vocabulary_size", 0)))
