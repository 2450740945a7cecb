"""What a run of `engine index` did, for people and for programs."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.json_output import print_json
from engine.cli.options import DEFAULT_INDEX
from engine.cli.output import PlainConsole, count, duration, facts, plain, size
from engine.results import IndexInfo

if TYPE_CHECKING:
    from engine.cli.catalog_options import CatalogRequest
    from indexer.catalog import FieldChoice, RejectLog
    from indexer.catalog_run import IndexingSummary


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a run: what was done, what was set aside, and the index as it is now."""

    summary: IndexingSummary
    rejects: RejectLog
    index: IndexInfo
    request: CatalogRequest

    @property
    def documents_per_second(self) -> float:
        """Documents indexed, updated or found unchanged, without the time to load the model."""
        done = self.summary.indexed + self.summary.updated + self.summary.unchanged
        return done / self.summary.seconds if self.summary.seconds else 0.0

    def print_json(self) -> None:
        """Print all of it as one JSON object."""
        summary = self.summary
        print_json(
            {
                "index": self.index.path,
                "documents": self.index.documents,
                "indexed": summary.indexed,
                "updated": summary.updated,
                "unchanged": summary.unchanged,
                "replaced": summary.replaced,
                "truncated": summary.truncated,
                "rejected": {reason.value: n for reason, n in self.rejects.counts.items()},
                "first_rejects": [asdict(reject) for reject in self.rejects.first.values()],
                "rejects_file": str(self.rejects.path) if self.rejects.total else None,
                "sources": [asdict(choice) for choice in summary.fields],
                **settings_fields(self.request),
                "active_dimensions": summary.active_dimensions,
                "seconds": round(summary.seconds, 3),
                "encoding_seconds": round(summary.encoding_seconds, 3),
                "documents_per_second": round(self.documents_per_second, 1),
                "model": self.index.model,
                "fingerprint": self.index.fingerprint,
                "file_bytes": self.index.file_bytes,
            },
            indented=True,
        )

    def print(self) -> None:
        """Print it for people, ending with the command to try next."""
        console = PlainConsole()
        summary = self.summary
        head = plain(f"Indexed {count(summary.indexed, 'document')}")
        head.stylize("bold")
        pace = duration(summary.seconds)
        if summary.indexed:
            pace += f", {self.documents_per_second:,.0f} a second"
        console.print(head.append(f" in {pace}", "not bold"))
        rows = []
        for choice in summary.fields:
            rows.extend(source_rows(choice))
        rows += settings_rows(self.request)
        if summary.replaced:
            rows.append(("replaced", count(summary.replaced, "document")))
        if summary.updated:
            updated = f"{count(summary.updated, 'document')} with the same text, not encoded again"
            rows.append(("updated", updated))
        if summary.unchanged:
            rows.append(("unchanged", f"{count(summary.unchanged, 'document')}, not encoded again"))
        if summary.truncated:
            rows.append(
                (
                    "truncated",
                    f"{count(summary.truncated, 'document')} longer than {summary.max_length} "
                    "tokens; only the beginning is searched",
                )
            )
        console.print(facts(rows))
        print_rejects(self.rejects, console)
        self._print_index(console)

    def _print_index(self, console: PlainConsole) -> None:
        total = count(self.index.documents, "document")
        console.print()
        console.print(plain(f"{self.index.path} holds {total}, {size(self.index.file_bytes)}"))
        command = 'engine search "words to look for"'
        if Path(self.index.path) != Path(DEFAULT_INDEX):
            command += f" --index {shlex.quote(self.index.path)}"
        console.print(plain(f"Try: {command}"), soft_wrap=True)


def print_rejects(rejects: RejectLog, console: PlainConsole) -> None:
    """Print how many bad records there were and the first of each kind, if there were any."""
    if not rejects.total:
        return
    console.print()
    console.print(plain(f"{count(rejects.total, 'bad record')}, the first of each kind:"))
    rows = []
    for reason, number in rejects.counts.items():
        first = rejects.first[reason]
        where = f"{first.source}:{first.line}: {first.detail}. {reason.advice}"
        rows.append((f"{number:,} {reason.value}", where))
    console.print(facts(rows))
    if rejects.path is not None:
        console.print(plain(f"All of them are in {rejects.path}"))


def source_rows(choice: FieldChoice) -> list[tuple[str, str]]:
    """Rows that say what was taken from a source."""
    text = ", ".join(choice.text_fields)
    if choice.every_string_field:
        text += " (no title or description was found, so all text was taken)"
    rows = [("source", choice.source), ("id from", choice.id_field or "none"), ("text from", text)]
    if choice.unseen_text_fields:
        missing = ", ".join(choice.unseen_text_fields)
        rows.append(("not there", f"{missing}: no record has it"))
    return rows


def settings_rows(request: CatalogRequest) -> list[tuple[str, str]]:
    """A row that says which options an earlier run gave, where one did."""
    if not request.from_index:
        return []
    return [("settings", f"{shlex.join(request.from_index.options())}, as kept in the index")]


def settings_fields(request: CatalogRequest) -> dict[str, Any]:
    """The same for JSON: how the catalogs were read, and what of it the index said."""
    kept = [name for name, value in asdict(request.from_index).items() if value]
    return {"settings": asdict(request.settings), "settings_from_index": kept}
