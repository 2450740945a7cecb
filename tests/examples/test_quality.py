"""How well the embedded default answers the judged queries of the examples."""

from pathlib import Path

from training import evaluate

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# What the default of November 2026 reaches is 0.905 and 0.912 (docs/default-model.md); 0.90 and
# 0.85 are wanted. Another processor's rounding may move a hit or two, a worse model falls below.
LEAST = {"en": 0.895, "es": 0.895}


def test_graded_ndcg_of_the_default() -> None:
    report = evaluate(EXAMPLES)
    reached = {lang: report.card(lang)["dot_ndcg@10_graded"] for lang in LEAST}
    assert all(reached[lang] >= least for lang, least in LEAST.items()), reached
    assert report.card()["corpus_active_dims"] <= 200
