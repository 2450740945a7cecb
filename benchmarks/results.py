"""Records of measurements on disk, one a collection and engine, and questions to them.

A record is a JSON object: `engine`, `version`, `run` (when), `command`, `collection`, `effort`,
`machine`, `queries` (set -> count and terms), and either `skipped` (why) or `build`, `load`,
`first_answer_s`, `notes` (what could not be measured) and `results`: set of queries -> label ->
figures. A label is the engine's name, with the recall that an approximate one was set to. Figures
hold `beside`: what the others gave in the same interleaved rounds, so that every ratio comes out of
one record.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Record = dict[str, Any]
# In the same folder, of another form.
END_TO_END = "end-to-end.json"


def save_records(folder: Path, records: Iterable[Record], command: str) -> None:
    """Write records below `folder`; one that was skipped replaces none that was measured."""
    for record in records:
        path = folder / record["collection"]["name"] / f"{record['engine']}.json"
        if "skipped" in record and path.exists() and "skipped" not in json.loads(path.read_text()):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps({"command": command, **record}, indent=1))
        unfinished.rename(path)


class Results:
    """All records below a folder.

    Attributes:
        end_to_end: what `benchmarks.end_to_end` measured, or None.
    """

    def __init__(self, folder: Path) -> None:
        text = folder / END_TO_END
        self.end_to_end: Record | None = json.loads(text.read_text()) if text.exists() else None
        paths = sorted(folder.glob("*/*.json"))
        self._records: dict[tuple[str, str], Record] = {
            (path.parent.name, path.stem): json.loads(path.read_text()) for path in paths
        }

    def __len__(self) -> int:
        return len(self._records)

    def collections(self) -> list[str]:
        """Names of collections, synthetic ones first, the smallest first."""
        about = {name: record["collection"] for (name, _), record in self._records.items()}

        def place(name: str) -> tuple[bool, bool, int]:
            one = about[name]
            return not one["is_synthetic"], name.startswith("w"), one["documents"]

        return sorted(about, key=place)

    def records(self, collection: str) -> Iterator[Record]:
        """Records of a collection, by engine."""
        for (name, _), record in self._records.items():
            if name == collection:
                yield record

    def record(self, collection: str, engine: str) -> Record | None:
        """The record of an engine on a collection, None where it was skipped or is missing."""
        record = self._records.get((collection, engine))
        return None if record is None or "skipped" in record else record

    def query_sets(self, collection: str) -> list[str]:
        """Sets of queries of a collection, in the order of measuring."""
        names: dict[str, None] = {}
        for record in self.records(collection):
            names |= dict.fromkeys(record["queries"])
        return list(names)

    def rows(self, collection: str, query_set: str) -> Iterator[tuple[str, Record, dict[str, Any]]]:
        """(label, record, figures) of whatever answered a set of queries, the fastest first."""
        found = [
            (label, record, figures)
            for record in self.records(collection)
            for label, figures in record.get("results", {}).get(query_set, {}).items()
            # An engine that failed later has its recall already.
            if "p50_us" in figures
        ]
        yield from sorted(found, key=lambda row: float(row[2]["p50_us"]))

    def figures(self, collection: str, query_set: str, label: str) -> dict[str, Any] | None:
        """Figures of one label, or None."""
        for one, _, figures in self.rows(collection, query_set):
            if one == label:
                return figures
        return None


def ratio_to_ours(figures: dict[str, Any], what: str = "p50_us") -> float | None:
    """A figure of ours divided by that of another, both out of the rounds that they shared."""
    ours = figures["beside"].get("sabana")
    return None if ours is None else float(ours[what]) / float(figures[what])
