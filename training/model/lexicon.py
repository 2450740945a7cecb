"""Teaching a trained model words by a lexicon: what they mean in words that it knows well.

A word of another language that training hardly ever met has a weight that is little more than a
guess. Its translations are known well, so documents hand their weights on to it (see
`indexer.model.expansion`). A word that the tokenizer does not keep whole becomes an entry of the
vocabulary first: nothing but its translations need be known for that.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from tokenizers import Tokenizer

from indexer.model.expansion import DocumentExpansion
from training.model.starting_point import add_words, usual_length, with_entries
from training.model.trainable import TrainableSparseModel

Lexicon = Mapping[str, Sequence[str]]
"""Words with their translations, likeliest first."""

# What a word takes of the weight of its first translation, and of each further one in proportion
# to the one before. Measured on dev queries: 0.7 to 1 and 0.3 to 0.7 are alike.
_SHARE = 0.7
_DECAY = 0.5
_ENDINGS = ("##s", "##es", "##a", "##o", "##as", "##os")
_SHORTEST_NEW = 5
# How much lower than usual the output bias of new words is: their rows were never trained, and are
# to be predicted where the word itself stands, but not wherever something is a little like it.
_UNTRAINED = 2.0


def teach(
    model: TrainableSparseModel, lexicon: Lexicon, limit: int | None = None
) -> TrainableSparseModel:
    """Return `model` with an expansion that gives words the weight of their translations.

    Words are as the tokenizer normalizes them: lower case, without accents. A word that it would
    split joins the vocabulary, unless it is short or an entry with another ending ("sabanas");
    such words are left as they are. `limit` is how many entries a document is to keep, None for
    all: words that take weight do not push out others. Words of an earlier lexicon stay.

    The model given must not be used any more: the one returned has its parameters.
    """
    tokenizer = Tokenizer.from_str(model.tokenizer.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    earlier = model.expansion
    new = [word for word in sorted(lexicon) if _is_new(word, tokenizer)]
    if new:
        model = _with_words(model, tokenizer, {word: lexicon[word] for word in new})
    model.expansion = _expansion(model, lexicon, limit, earlier)
    return model


def _is_new(word: str, tokenizer: Tokenizer) -> bool:
    pieces = tokenizer.encode(word, add_special_tokens=False).tokens
    form = len(pieces) == 2 and pieces[1] in _ENDINGS
    return len(pieces) > 1 and not form and len(word) >= _SHORTEST_NEW and word.isalpha()


def _with_words(
    model: TrainableSparseModel, tokenizer: Tokenizer, words: Lexicon
) -> TrainableSparseModel:
    """Add entries that begin as the mean of their translations."""
    embeddings = model.projection.weight.detach()
    weights = model.final_query_weights()
    rows, static = [], []
    for translations in words.values():
        ids = [_ids(tokenizer, each) for each in translations]
        shares = torch.tensor([_DECAY**place for place in range(len(ids))])
        means = torch.stack([embeddings[each].mean(dim=0) for each in ids])
        rows.append((shares / shares.sum()) @ means)
        heaviest = torch.stack([weights[each].max() for each in ids])
        static.append((shares / shares.sum()) @ heaviest)
    bias = model.projection.bias
    usual = 0.0 if bias is None else float(bias.detach().median()) - _UNTRAINED
    with model.whole() as masked_lm:
        add_words(masked_lm, usual_length(torch.stack(rows), embeddings), usual)
        taught = TrainableSparseModel(
            masked_lm,
            _with_entries(model.tokenizer, words),
            torch.cat([weights, torch.stack(static)]),
            max_length=model.max_length,
            prompts=model.prompts,
            double_log=model.double_log,
        )
    taught.eval()
    return taught


def _with_entries(tokenizer: object, words: Lexicon) -> object:
    """Return the transformers tokenizer with more entries behind its own."""
    extended: Any = copy.deepcopy(tokenizer)
    extended._tokenizer = with_entries(extended.backend_tokenizer, words)
    return extended


def _expansion(
    model: TrainableSparseModel,
    lexicon: Lexicon,
    limit: int | None,
    earlier: DocumentExpansion | None,
) -> DocumentExpansion:
    tokenizer = Tokenizer.from_str(model.tokenizer.backend_tokenizer.to_str())
    sources: list[int] = []
    targets: list[int] = []
    shares: list[float] = []
    if earlier is not None:  # words that are not taught anew keep what they have
        anew = {tokenizer.token_to_id(word) for word in lexicon}
        entries = earlier.weights.tocoo()
        for source, target, share in zip(entries.row, entries.col, entries.data, strict=True):
            if int(target) not in anew:
                sources.append(int(source))
                targets.append(int(target))
                shares.append(float(share))
    for word in sorted(lexicon):
        target = tokenizer.token_to_id(word)
        if target is None:  # split, and not taken into the vocabulary
            continue
        for place, translation in enumerate(lexicon[word]):
            ids = _ids(tokenizer, translation)
            for source in ids.tolist():
                if source != target:
                    sources.append(source)
                    targets.append(target)
                    shares.append(_SHARE * _DECAY**place / len(ids))
    size = model.vocabulary_size
    values = np.array(shares, dtype=np.float32)
    return DocumentExpansion(csr_matrix((values, (sources, targets)), shape=(size, size)), limit)


def _ids(tokenizer: Tokenizer, text: str) -> torch.Tensor:
    return torch.tensor(tokenizer.encode(text, add_special_tokens=False).ids)
