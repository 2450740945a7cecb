"""Which model an index is filled with, loaded only when there is something to encode."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ModelError
from engine.storage.manifest import ModelRecord

if TYPE_CHECKING:
    from indexer.model import SparseModel


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model by name; loading it takes torch and seconds.

    Attributes:
        name: a folder, a name on the hub, or "default"; None is the model of the index, for a new
            index the embedded default.
        device: as `SparseModel.load` has it.
        trust_remote_code: whether Python code that comes with the model may run.
    """

    name: str | None = None
    device: str = "auto"
    trust_remote_code: bool = False

    def names(self, record: ModelRecord) -> bool:
        """Whether this is the model of an index by its name; its vectors were not compared."""
        if self.name is None or self.name == record.name:
            return True
        try:
            return Path(self.name).expanduser().samefile(record.name)
        except OSError:
            return False

    def load(self, recorded: str | None) -> SparseModel:
        """Load the model.

        Args:
            recorded: the name of the model that the index was built with; None for a new index.

        Raises:
            ModelError: it is missing, incomplete or of a kind that cannot be loaded.
        """
        from indexer.model import SparseModel

        name = recorded if self.name is None else self.name
        try:
            return SparseModel.load(
                name, device=self.device, trust_remote_code=self.trust_remote_code
            )
        except ModelError as error:
            if self.name is not None or recorded is None:
                raise
            # Nobody named it here: that it is gone is no wrong usage.
            raise ModelError(
                f"the index was built with the model {recorded}, which cannot be loaded: say "
                f"with --model where it is now ({error})"
            ) from error
