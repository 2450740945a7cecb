"""Teaching a trained model words by a lexicon: what they mean in words that it knows well.

A word of another language that training hardly ever met has a weight that is little more than a
guess. Its translations are known well, so documents hand their weights on to it (see
`indexer.model.expansion`). A word that the tokenizer does not keep whole becomes an entry of the
vocabulary first: nothing but its translations need be known for that.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from transformers import BertForMaskedLM

from engine.errors import ModelError, UsageError
from indexer.model.expansion import DocumentExpansion
from training.model.starting_point import add_words, usual_length, with_entries
from training.model.trainable import TrainableSparseModel

Lexicon = Mapping[str, Sequence[str] | Mapping[str, float]]
"""Words with their translations, likeliest first, or with the share that each gives."""

_Shares = Mapping[str, Mapping[str, float]]  # words as the tokenizer sees them
# By what gives, the entries of a word or a phrase, ascending, and by the entry that takes.
_Entries = dict[tuple[tuple[int, ...], int], float]

# The share that a word takes of the activation of its first translation, and of each further one in
# proportion to the one before. Measured on dev queries: 0.7 to 1.5 and 0.3 to 0.85 are alike.
_SHARE = 1.0
_DECAY = 0.7
# A phrase has the least of the activations of its words, which are smaller than those of one word.
_SHARE_OF_PHRASES = 1.5
_TRANSLATIONS = 12  # of a list; further ones would have next to nothing
_LEAST, _MOST = 1e-6, 1e6  # a share that is given
_ENDINGS = ("s", "es", "a", "o", "as", "os")  # of Spanish plurals and genders
_SHORTEST_NEW = 5
# How much below the median the output bias of new words is: their rows were never trained, and are
# to be predicted where the word itself stands, but not wherever something is a little like it.
_BIAS_BELOW_MEDIAN = 2.0


def teach(
    model: TrainableSparseModel, lexicon: Lexicon, *, add: bool = False
) -> TrainableSparseModel:
    """Return `model` with an expansion that gives words the weight of their translations.

    Of a list the first translation gives all of its activation, each further one 0.7 times as much
    as the one before, and a translation of several words or pieces, which has the least of their
    activations, half as much again; those behind the twelfth are left out. A dict says how much
    each gives, and has no limit.

    A word that the tokenizer would split joins the vocabulary. Left as they are, and told by a
    warning, are those of them that are short, hold anything but letters, or are an entry with
    another ending ("sabanas", which its entry finds), and words of whose translations the model
    knows none. Words of an earlier lexicon stay, unless they are taught anew; with `add` these keep
    what they have too, and of two shares of one translation the larger one. Where the expansion has
    priorities, the words taught have the largest of them: they are taught to be found.

    The model given is changed, and must not be used any more: load it again for another lexicon.

    Raises:
        UsageError: a word without translations, or that is none or more than one; a share that is
            no number from 1e-6 to 1e6.
        ModelError: words have to join the vocabulary of a model that is no BERT with a WordPiece
            tokenizer and a head that is tied to the embeddings.
    """
    tokenizer = Tokenizer.from_str(model.tokenizer.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    # Translations are in words that the model knew before: a new one has nothing to hand on.
    words = _normalized(lexicon, tokenizer)
    new, left = _sort_out(words, tokenizer)
    if left:
        reasons = ", ".join(f"{word} ({left[word]})" for word in sorted(left))
        warnings.warn(f"not taught: {reasons}", stacklevel=2)
    earlier = model.expansion
    if new:
        _check_growing(model)
        model = _with_words(model, tokenizer, {word: words[word] for word in new})
    taught = {word: words[word] for word in sorted(words) if word not in left}
    vocabulary = model.tokenizer.get_vocab()
    ids = [vocabulary[word] for word in taught]
    kept = {} if earlier is None else _entries(earlier)
    if not add:
        anew = set(ids)
        kept = {pair: share for pair, share in kept.items() if pair[1] not in anew}
    model.expansion = _expansion(model, taught, tokenizer, kept)
    if earlier is not None and earlier.priorities is not None:
        most = earlier.priorities.max()
        priorities = np.full(model.vocabulary_size, most, dtype=np.float32)
        priorities[: len(earlier.priorities)] = earlier.priorities
        priorities[ids] = most
        model.expansion = replace(model.expansion, priorities=priorities)
    return model.eval()


def _normalized(lexicon: Lexicon, tokenizer: Tokenizer) -> dict[str, dict[str, float]]:
    """Return the words in lower case without accents, with the shares of what is known.

    A word is no translation of itself.
    """
    if not isinstance(lexicon, Mapping) or not all(isinstance(word, str) for word in lexicon):
        raise UsageError("lexicon: words with lists of their translations are wanted, as a dict")
    found: dict[str, dict[str, float]] = {}
    for word, translations in lexicon.items():
        _check_translations(word, translations)
        seen = _seen(word, tokenizer)
        if not seen or any(character.isspace() for character in seen):
            raise UsageError(f"lexicon: {word!r} is not one word: only single words can be taught")
        shares = found.setdefault(seen, {})
        own = set(_ids(tokenizer, seen).tolist())
        for each in translations:
            translation = _seen(each, tokenizer)
            pieces = set(_ids(tokenizer, translation).tolist())
            if not pieces or pieces == own:
                continue
            if isinstance(translations, Mapping):
                share = float(translations[each])
                shares[translation] = max(share, shares.get(translation, 0.0))
            elif translation not in shares and len(shares) < _TRANSLATIONS:
                share = _SHARE if len(pieces) == 1 else _SHARE * _SHARE_OF_PHRASES
                shares[translation] = share * _DECAY ** len(shares)
    return found


def _check_translations(word: str, translations: object) -> None:
    if isinstance(translations, Mapping):
        for share in translations.values():
            if not _is_share(share):
                raise UsageError(
                    f"lexicon: {word!r} has a share of {share!r}: numbers from {_LEAST:g} "
                    f"to {_MOST:g} are wanted"
                )
    if (
        isinstance(translations, str)
        or not isinstance(translations, Sequence | Mapping)
        or not translations
        or not all(isinstance(each, str) for each in translations)
    ):
        raise UsageError(
            f"lexicon: {word!r} needs a list of at least one translation, likeliest first, or a "
            f"dict of their shares, not {translations!r}"
        )


def _is_share(value: object) -> bool:
    return isinstance(value, Real) and bool(_LEAST <= value <= _MOST)  # type: ignore[operator]


def _seen(text: str, tokenizer: Tokenizer) -> str:
    normalizer = tokenizer.normalizer
    return (normalizer.normalize_str(text) if normalizer else text).strip()


def _sort_out(words: _Shares, tokenizer: Tokenizer) -> tuple[list[str], dict[str, str]]:
    """Return the words that are to join the vocabulary, sorted, and why others are left out.

    The rest are entries of the vocabulary.
    """
    new: set[str] = set()
    left: dict[str, str] = {}
    vocabulary = tokenizer.get_vocab()
    for word in sorted(words, key=len):  # a stem before its forms
        if not words[word]:
            left[word] = "no translation that the model knows"
        elif word not in vocabulary:
            pieces = tokenizer.encode(word, add_special_tokens=False).tokens
            if len(word) < _SHORTEST_NEW or not word.isalpha():
                left[word] = f"shorter than {_SHORTEST_NEW} letters, or more than letters"
            elif len(pieces) == 1:
                left[word] = "letters that the model does not know"
            elif stem := _stem(word, pieces, new):
                left[word] = f"taken for a form of {stem}"
            else:
                new.add(word)
    return sorted(new), left


def entry_of_word(pieces: Sequence[str]) -> str | None:
    """Return the entry that stands for a word, as it is or in another form."""
    return pieces[0] if len(pieces) == 1 else _entry_of_form(pieces)


def _entry_of_form(pieces: Sequence[str]) -> str | None:
    """Return the entry of which a word is another form: "model" of "modelo" (model, ##o)."""
    if len(pieces) == 2 and pieces[1].removeprefix("##") in _ENDINGS:
        return pieces[0]
    return None


def _stem(word: str, pieces: Sequence[str], new: Collection[str]) -> str | None:
    """Return what `word` is a form of: an entry, or one of the `new` words."""
    if (entry := _entry_of_form(pieces)) is not None:
        return entry
    stems = (word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending))
    return next((stem for stem in stems if stem in new), None)


def _check_growing(model: TrainableSparseModel) -> None:
    """Raise `ModelError` unless entries can be appended to the vocabulary of `model`."""
    backend = model.tokenizer.backend_tokenizer
    with model.whole() as masked_lm:
        bert = isinstance(masked_lm, BertForMaskedLM) and masked_lm.config.tie_word_embeddings
    if not (bert and isinstance(backend.model, WordPiece)):
        raise ModelError(
            "only a BERT model with tied embeddings and a WordPiece tokenizer can be taught words "
            "that its tokenizer splits; leave them out of the lexicon"
        )
    if backend.get_vocab_size(with_added_tokens=True) != model.vocabulary_size:
        raise ModelError(
            f"the model has {model.vocabulary_size:,} outputs for a vocabulary of "
            f"{backend.get_vocab_size(with_added_tokens=True):,}: words that its tokenizer splits "
            "cannot join it; leave them out of the lexicon"
        )


def _with_words(
    model: TrainableSparseModel, tokenizer: Tokenizer, words: _Shares
) -> TrainableSparseModel:
    """Add entries that begin as the mean of their translations, each with its share."""
    embeddings = model.projection.weight.detach()
    weights = model.final_query_weights()
    rows, static = [], []
    for translations in words.values():
        ids = [_ids(tokenizer, each) for each in translations]
        shares = torch.tensor(list(translations.values()), dtype=embeddings.dtype)
        means = torch.stack([embeddings[each].mean(dim=0) for each in ids])
        rows.append((shares / shares.sum()) @ means)
        heaviest = torch.stack([weights[each].max() for each in ids])
        static.append((shares / shares.sum()) @ heaviest)
    bias = model.projection.bias
    bias_of_new = 0.0 if bias is None else float(bias.detach().median()) - _BIAS_BELOW_MEDIAN
    with model.whole() as masked_lm:
        add_words(masked_lm, usual_length(torch.stack(rows), embeddings), bias_of_new)
        return TrainableSparseModel(
            masked_lm,
            _extended(model.tokenizer, words),
            torch.cat([weights, torch.stack(static)]),
            max_length=model.max_length,
            prompts=model.prompts,
            double_log=model.double_log,
        )


def _extended(tokenizer: Any, words: Iterable[str]) -> Any:
    """Return the transformers tokenizer with more entries behind its own."""
    extended = copy.deepcopy(tokenizer)
    extended._tokenizer = with_entries(extended.backend_tokenizer, words)
    return extended


def _entries(expansion: DocumentExpansion) -> _Entries:
    """Return the shares of an expansion."""
    entries = expansion.weights.tocoo()
    words = expansion.weights.shape[1]
    phrases = [tuple(sorted(set(each))) for each in expansion.phrases.tolist()]
    givers = [(row,) if row < words else phrases[row - words] for row in entries.row.tolist()]
    found: _Entries = {}
    for giver, target, share in zip(
        givers, entries.col.tolist(), entries.data.tolist(), strict=True
    ):
        found[giver, target] = share + found.get((giver, target), 0.0)
    return found


def _expansion(
    model: TrainableSparseModel, lexicon: _Shares, tokenizer: Tokenizer, kept: _Entries
) -> DocumentExpansion:
    """Return the expansion of a lexicon, beside the shares that are `kept`."""
    vocabulary = model.tokenizer.get_vocab()
    found: _Entries = {}
    for word, translations in lexicon.items():
        target = vocabulary[word]
        for translation, share in translations.items():
            ids = set(_ids(tokenizer, translation).tolist())
            if ids != {target}:  # with other words it is a phrase: all of them must be there
                pair = (tuple(sorted(ids)), target)
                found[pair] = max(share, found.get(pair, 0.0))  # words may come in another order
    for pair, share in kept.items():
        found[pair] = max(share, found.get(pair, 0.0))
    size = model.vocabulary_size
    phrases = sorted({giver for giver, _ in found if len(giver) > 1})
    row_of = {phrase: size + at for at, phrase in enumerate(phrases)}
    rows = [row_of.get(giver, giver[0]) for giver, _ in found]
    columns = [target for _, target in found]
    values = np.array(list(found.values()), dtype=np.float32)
    matrix = csr_matrix((values, (rows, columns)), shape=(size + len(phrases), size))
    return DocumentExpansion(matrix, phrases=_table(phrases))


def _table(phrases: Sequence[tuple[int, ...]]) -> np.ndarray:
    """Return the phrases as (N, K) int64; shorter ones repeat their first word."""
    width = max((len(each) for each in phrases), default=1)
    rows = [[*each, *each[:1] * (width - len(each))] for each in phrases]
    return np.array(rows, dtype=np.int64).reshape(len(phrases), width)


def _ids(tokenizer: Tokenizer, text: str) -> torch.Tensor:
    """Return the tokens (n,) int64 of `text`; none if the vocabulary lacks one of them."""
    found = tokenizer.encode(text, add_special_tokens=False)
    unknown = getattr(tokenizer.model, "unk_token", None)
    return torch.tensor([] if unknown in found.tokens else found.ids, dtype=torch.int64)
