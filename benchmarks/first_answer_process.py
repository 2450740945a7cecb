"""One fresh process that loads an index and answers once, as `first_answer` asks.

Usage: python -m benchmarks.first_answer_process ENGINE INDEX QUERIES K
"""

import sys
from pathlib import Path

from benchmarks.engines import CONTENDERS
from benchmarks.stored_collection import load_queries


def main() -> None:
    name, index, queries, k = sys.argv[1:]
    engine = CONTENDERS[name]()
    engine.load(Path(index))
    documents, _ = engine.search(engine.convert(load_queries(Path(queries), 0, 1)[0]), int(k))
    # The parent stops its watch at this line.
    print("first answer", len(documents), flush=True)


if __name__ == "__main__":
    main()
