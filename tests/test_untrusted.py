"""Nothing that is read is executed: catalogs, queries, models, and indexes of other people."""

from __future__ import annotations

import ast
import json
import pickle
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from engine import EngineError, ModelError, SearchEngine, UsageError
from engine.query_input import MAX_QUERY_CHARACTERS
from engine.retrieval.parameters import MAX_QUERY_TERMS
from engine.storage.manifest import MOST_TERMS
from engine.storage.store_writer import StoreWriter
from indexer import IndexWriter, SparseModel
from indexer.compaction import compact
from tests.engine.cli.commands import environment
from tests.engine.storage.contents import segment_of
from tests.indexer.model.tiny_models import write_model
from tests.indexer.word_model import WordModel

ROOT = Path(__file__).parents[1]
SOURCES = [path for part in ("engine", "indexer") for path in sorted((ROOT / part).rglob("*.py"))]
# What runs what it reads. torch.load is a pickle; numpy.load may be one.
MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "subprocess"}
CALLS = {"eval", "exec", "__import__", "torch.load", "np.load", "numpy.load", "os.system"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_here_runs_what_it_reads(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            modules = names if isinstance(node, ast.Import) else [node.module or ""]
            assert not {module.partition(".")[0] for module in modules} & MODULES
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in CALLS
            if "trust_remote_code" in {keyword.arg for keyword in node.keywords}:
                assert "trust_remote_code=True" not in ast.unparse(node)
            if name.startswith("AutoModel"):
                assert "use_safetensors=True" in ast.unparse(node)


class Bomb:
    """Leaves a file where it was when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def with_code(model: Path, trace: Path) -> Path:
    """Let a model name code of its own for its transformer and its tokenizer."""
    folder = next(model.glob("document_0*"))
    (folder / "evil.py").write_text(
        f"import pathlib; pathlib.Path({str(trace)!r}).touch()\n"
        "from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast\n"
        "class Config(BertConfig): model_type = 'evil'\n"
        "class Model(BertForMaskedLM): config_class = Config\n"
        "class Words(PreTrainedTokenizerFast): pass\n"
    )
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer["auto_map"] = {"AutoTokenizer": [None, "evil.Words"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModelForMaskedLM": "evil.Model"}
    config["model_type"] = "evil"
    (folder / "config.json").write_text(json.dumps(config))
    return model


def test_code_of_a_model_runs_only_when_it_is_asked_for(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    model = with_code(write_model(tmp_path / "model"), trace)
    with pytest.raises(ModelError):
        SparseModel.load(model)
    assert not trace.exists()
    SparseModel.load(model, trust_remote_code=True)
    assert trace.exists()


def test_weights_that_are_pickles_are_not_opened(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    model = write_model(tmp_path / "model")
    for folder in model.iterdir():
        weights = folder / "model.safetensors"
        if weights.exists():
            for name in ("pytorch_model.bin", "model.safetensors"):
                (folder / name).write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(ModelError, match="safetensors"):
        SparseModel.load(model)
    for weights in model.rglob("model.safetensors"):
        weights.unlink()
    with pytest.raises(ModelError):
        SparseModel.load(model)
    assert not trace.exists()


def test_queries_have_a_length(index: Path) -> None:
    with SearchEngine.open(index) as engine:
        engine.search("w1 " * (MAX_QUERY_CHARACTERS // 3))
        for ask in (engine.search, engine.encode_query):
            with pytest.raises(UsageError, match="the longest allowed has 65536"):
                ask("w" * (MAX_QUERY_CHARACTERS + 1))
        with pytest.raises(UsageError, match="the longest allowed has 65536"):
            engine.search_batch(["w1", "w" * (MAX_QUERY_CHARACTERS + 1)])
        with pytest.raises(UsageError, match="the longest allowed has 65536"):
            engine.explain("w" * (MAX_QUERY_CHARACTERS + 1), "id-1")


def test_vectors_have_a_number_of_terms(tmp_path: Path) -> None:
    width = MAX_QUERY_TERMS + 1
    with IndexWriter(tmp_path, vocabulary_size=width) as writer:
        writer.add(["a"], csr_matrix(([1.0], ([0], [width - 1])), (1, width)))
    with SearchEngine.open(tmp_path) as engine:
        assert len(engine.search_vector(np.arange(1, width), np.ones(width - 1))) == 1
        with pytest.raises(UsageError, match="at most 65536 terms"):
            engine.search_vector(np.arange(width), np.ones(width))


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """An index with lists, rows and tombstones, of a model."""
    model: Any = WordModel()
    path = tmp_path / "index"
    texts = [f"w{at % 5} w{at % 61} w{at * at % 64}" for at in range(1200)]
    ids = [f"id-{at}" for at in range(1200)]
    with IndexWriter(path, model=model) as writer:
        writer.add(ids, model.encode_documents(texts).vectors, [{"n": at} for at in range(1200)])
        writer.commit()
        writer.delete(ids[::50])
    return path


def test_many_blocks_of_many_terms_take_no_memory(tmp_path: Path) -> None:
    """A manifest may claim 16 million terms, and a megabyte of file holds hundreds of blocks."""
    path = tmp_path / "index"
    with StoreWriter(path, vocabulary_size=MOST_TERMS, max_weight=1) as store:
        store.commit([segment_of([f"id-{at}"]) for at in range(60)])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(EngineError, match=r"60 blocks of 16,000,000 terms.*`engine compact`"):
        SearchEngine.open(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    assert compact(path).segments == 1
    with SearchEngine.open(path) as engine:
        assert len(engine) == 60


def hostile(index: Path, folder: Path, seed: int, count: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile_worker", index, folder, str(seed), str(count)],
        cwd=ROOT,
        env=environment(RUST_BACKTRACE="0"),
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, lines[-1:] + done.stderr.splitlines()[-20:]
    assert not [line for line in lines if " traceback: " in line]
    assert len(lines) == count
    assert any(" refused: " in line for line in lines)


def test_an_index_that_lies_is_refused_or_answers(index: Path, tmp_path: Path) -> None:
    hostile(index, tmp_path, 1, 120)


@pytest.mark.soak
def test_many_indexes_that_lie(index: Path, tmp_path: Path) -> None:
    hostile(index, tmp_path, 2, 5000)
