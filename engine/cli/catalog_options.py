"""Options of the commands that read catalogs: their fields, the model, bad records."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from engine.cli.extras import needs_extra
from engine.cli.options import Text, TextPath, model_option, wait_option
from engine.errors import CatalogError, IndexNotFoundError
from engine.storage.catalog_settings import CatalogSettings

if TYPE_CHECKING:
    from indexer.catalog import CatalogReader, RejectLog
    from indexer.model_choice import ModelChoice

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class CatalogRequest:
    """What the options of `catalog_options` say."""

    catalogs: tuple[str, ...]
    model_name: str | None
    id_field: str | None
    text_fields: tuple[str, ...]
    batch_size: int | None
    device: str
    max_active_dims: int | None
    strict: bool
    rejects_file: Path | None
    trust_remote_code: bool
    wait: float
    # What was not said, and was taken from the index instead.
    from_index: CatalogSettings = field(default_factory=CatalogSettings)

    @property
    def settings(self) -> CatalogSettings:
        """How the catalogs are read."""
        return CatalogSettings(self.id_field, self.text_fields, self.max_active_dims)

    def with_settings_of(self, index_path: Path) -> CatalogRequest:
        """Take what was not said from the index, where an earlier run was told.

        Raises:
            IndexDamagedError, IndexFormatError: the index cannot be read.
        """
        from engine.storage.snapshot import Snapshot

        try:
            snapshot = Snapshot(index_path)
        except IndexNotFoundError:
            return self
        try:
            with snapshot.reading():
                stored = snapshot.catalog_settings()
        finally:
            snapshot.close()
        both = self.settings.over(stored)
        return replace(
            self,
            id_field=both.id_field,
            text_fields=both.text_fields,
            max_active_dims=both.max_active_dims,
            from_index=stored.without(self.settings),
        )

    def with_origin(self, error: CatalogError) -> CatalogError:
        """Add to an error that advises to name a field which of them the index named."""
        is_about_fields = any(option in str(error) for option in ("--id-field", "--text-field"))
        if not (is_about_fields and (self.from_index.id_field or self.from_index.text_fields)):
            return error
        kept = shlex.join(self.from_index.options())
        return CatalogError(
            f"{str(error).rstrip('.')} (the index keeps from an earlier run: {kept}; give the same "
            "options to change it)"
        )

    def reader(
        self, rejects: RejectLog, stdin: Path | None = None, *, allow_empty: bool = False
    ) -> CatalogReader:
        """Open the catalogs.

        Args:
            rejects: where bad records go.
            stdin: a file with what standard input gave, where it is read twice.
            allow_empty: take an empty file as a catalog without records.
        """
        with needs_extra("indexer"):
            from indexer.catalog import CatalogReader
        return CatalogReader(
            self.catalogs,
            id_field=self.id_field,
            text_fields=self.text_fields,
            strict=self.strict,
            rejects=rejects,
            stdin=stdin,
            allow_empty=allow_empty,
        )

    def model(self) -> ModelChoice:
        """Return the model to be loaded when something must be encoded."""
        with needs_extra("indexer"):
            from indexer.model_choice import ModelChoice
        return ModelChoice(self.model_name, self.device, self.trust_remote_code)


def catalog_options(command: Command) -> Command:
    """Add the argument CATALOG... and its options, each under its name in `CatalogRequest`."""
    decorators = (
        click.argument("catalogs", nargs=-1, required=True, metavar="CATALOG..."),
        model_option,
        click.option(
            "--id-field",
            type=Text(),
            metavar="FIELD",
            help="Field that holds the id; found by its name if left out (id, sku, product_id, "
            "...).",
        ),
        click.option(
            "--text-field",
            "text_fields",
            type=Text(),
            multiple=True,
            metavar="FIELD",
            help="Field whose text is indexed; repeat it for more, joined in this order. If left "
            "out, title and description are found by their names.",
        ),
        click.option(
            "--batch-size",
            type=click.IntRange(min=1),
            metavar="N",
            help="Documents that the model takes at a time; by default what is fast.",
        ),
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda"]),
            default="auto",
            show_default=True,
            help="Where the model runs; auto takes a GPU where there is one.",
        ),
        click.option(
            "--max-active-dims",
            type=click.IntRange(min=1),
            metavar="N",
            help="Keep so many of the largest weights of each document; by default what the model "
            "says.",
        ),
        click.option("--strict", is_flag=True, help="Stop at the first bad record."),
        click.option(
            "--rejects",
            "rejects_file",
            type=TextPath(),
            metavar="FILE",
            help="Where bad records are written; by default beside the index, as "
            "DIR.rejects.jsonl.",
        ),
        click.option(
            "--trust-remote-code",
            is_flag=True,
            help="Run Python code that comes with the model; without it such a model is refused.",
        ),
        wait_option,
    )
    for decorate in reversed(decorators):
        command = decorate(command)
    return command
