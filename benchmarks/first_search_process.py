"""One fresh process that searches twice and tells how long each step took, as `first_search` asks.

Usage: python -m benchmarks.first_search_process INDEX QUERY
"""

import sys
import time


def main() -> None:
    index, query = sys.argv[1:]
    times = [time.perf_counter()]
    from engine import SearchEngine

    times.append(time.perf_counter())
    engine = SearchEngine.open(index)
    times.append(time.perf_counter())
    hits = len(engine.search(query, k=10))
    times.append(time.perf_counter())
    # The parent stops its watch at this line; the rest is for the split.
    print(hits, flush=True)
    times.append(time.perf_counter())
    engine.search(query, k=10)
    second = time.perf_counter() - times[-1]
    engine.close()
    steps = [times[step + 1] - times[step] for step in range(3)]
    print(*(f"{seconds:.6f}" for seconds in (*steps, second)), flush=True)


if __name__ == "__main__":
    main()
