"""Tiny random models, written to disk in every layout that must load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from scipy.sparse import csr_matrix
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from transformers import (
    BertConfig,
    BertForMaskedLM,
    DistilBertConfig,
    DistilBertForMaskedLM,
    PreTrainedTokenizerFast,
)

from indexer.model.expansion import DocumentExpansion

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["sabana", "queen", "cotton", "sheet", "phone", "case", "de", "algodon", "?", "!"]
LETTERS = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz")]
VOCABULARY = SPECIAL + WORDS + LETTERS
MAX_LENGTH = 16

LAYOUTS = ("v5", "v6", "idf", "opensearch")


def save_tokenizer(directory: Path, *, max_length: int, truncating: bool) -> None:
    tokenizer = Tokenizer(
        WordPiece({token: i for i, token in enumerate(VOCABULARY)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair=None, special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    if truncating:
        tokenizer.enable_truncation(4)
        tokenizer.enable_padding(length=4)
    names = dict(zip(("pad", "unk", "cls", "sep", "mask"), SPECIAL, strict=True))
    fast: Any = PreTrainedTokenizerFast  # its constructor has no types
    fast(
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        **{f"{name}_token": token for name, token in names.items()},
    ).save_pretrained(str(directory))


def masked_lm(architecture: str = "bert") -> Any:
    torch.manual_seed(7)
    model: Any
    if architecture == "bert":
        model = BertForMaskedLM(
            BertConfig(
                vocab_size=len(VOCABULARY),
                hidden_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=32,
                max_position_embeddings=64,
                initializer_range=0.5,
            )
        )
    else:
        model = DistilBertForMaskedLM(
            DistilBertConfig(
                vocab_size=len(VOCABULARY),
                dim=16,
                n_layers=2,
                n_heads=2,
                hidden_dim=32,
                max_position_embeddings=64,
                initializer_range=0.5,
            )
        )
    bias = model.get_output_embeddings().bias
    torch.nn.init.normal_(bias, mean=-1.0, std=0.5)
    return model.eval()


def static_weights() -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(len(VOCABULARY), generator=generator) * 5 + 0.1


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_model(
    root: Path,
    layout: str = "v6",
    *,
    architecture: str = "bert",
    pooling: str = "max",
    activation: str = "relu",
    transformer_config: dict[str, object] | None = None,
    settings: dict[str, object] | None = None,
) -> Path:
    """Write a tiny model in one of `LAYOUTS` and return its directory."""
    weights = static_weights()
    idf = {token: float(weights[i]) for i, token in enumerate(VOCABULARY)}
    pooling_config = {"pooling_strategy": pooling, "activation_function": activation}
    if layout == "opensearch":
        masked_lm(architecture).save_pretrained(str(root))
        save_tokenizer(root, max_length=MAX_LENGTH, truncating=True)
        write_json(root / "idf.json", idf)
        if (pooling, activation) != ("max", "relu"):
            write_json(root / "document_1_SpladePooling" / "config.json", pooling_config)
        return root
    query = "query_0_IDF" if layout == "idf" else "query_0_SparseStaticEmbedding"
    document = "document_0_Transformer" if layout == "v6" else "document_0_MLMTransformer"
    old = "sentence_transformers.sparse_encoder.models"
    types = {
        query: f"{old}.{query.removeprefix('query_0_')}",
        document: f"{old}.MLMTransformer",
        "document_1_SpladePooling": f"{old}.SpladePooling",
    }
    config: dict[str, object] = {"max_seq_length": MAX_LENGTH, "do_lower_case": False}
    router = "sentence_transformers.models.Router"
    if layout == "v6":
        base = "sentence_transformers.base.modules"
        router = f"{base}.router.Router"
        types[document] = f"{base}.transformer.Transformer"
        config = {
            "transformer_task": "fill-mask",
            "modality_config": {"text": {"method": "forward", "method_output_name": "logits"}},
            "module_output_name": "token_embeddings",
        }
    write_json(root / "modules.json", [{"idx": 0, "name": "0", "path": "", "type": router}])
    structure = {"query": [query], "document": [document, "document_1_SpladePooling"]}
    write_json(
        root / "router_config.json",
        {
            "types": types,
            "structure": structure,
            "parameters": {"default_route": "document", "allow_empty_key": True},
        },
    )
    # sentence-transformers cuts queries at the tokenizer's length; here it is out of the way.
    save_tokenizer(root / query, max_length=512, truncating=True)
    if layout == "idf":
        write_json(root / query / "config.json", {"frozen": True, "path": "idf.json"})
        write_json(root / query / "idf.json", idf)
    else:
        write_json(root / query / "config.json", {"frozen": False})
        save_file({"weight": weights}, str(root / query / "model.safetensors"))
    masked_lm(architecture).save_pretrained(str(root / document))
    save_tokenizer(root / document, max_length=MAX_LENGTH, truncating=False)
    write_json(
        root / document / "sentence_bert_config.json", {**config, **(transformer_config or {})}
    )
    write_json(root / "document_1_SpladePooling" / "config.json", pooling_config)
    write_json(
        root / "config_sentence_transformers.json",
        {"model_type": "SparseEncoder", **(settings or {})},
    )
    return root


def add_expansion(
    root: Path, entries: list[tuple[str, str, float]], limit: int | None = None
) -> Path:
    """Give a tiny model of layout "v6" an expansion: (word that gives, word that takes, share)."""
    folder = "document_2_DocumentExpansion"
    rows, columns = ([VOCABULARY.index(entry[part]) for entry in entries] for part in (0, 1))
    values = np.array([share for *_, share in entries], dtype=np.float32)
    size = len(VOCABULARY)
    (root / folder).mkdir()
    matrix = csr_matrix((values, (rows, columns)), shape=(size, size))
    DocumentExpansion(matrix, limit).write(root / folder)
    path = root / "router_config.json"
    router = json.loads(path.read_text(encoding="utf-8"))
    router["types"][folder] = "indexer.model.expansion_module.DocumentExpansionModule"
    router["structure"]["document"].append(folder)
    write_json(path, router)
    return root
