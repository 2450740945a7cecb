"""Teaching a trained model words by a lexicon: what they mean in words that it knows well.

A word of another language that training hardly ever met has a weight that is little more than a
guess. Its translations are known well, so documents hand their weights on to it (see
`indexer.model.expansion`). A word that the tokenizer does not keep whole becomes an entry of the
vocabulary first: nothing but its translations need be known for that.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
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

Lexicon = Mapping[str, Sequence[str]]
"""Words with their translations, likeliest first."""

# The share that a word takes of the activation of its first translation, and of each further one in
# proportion to the one before. Measured on dev queries: 0.7 to 1.5 and 0.3 to 0.7 are alike.
_SHARE = 1.0
_DECAY = 0.5
_TRANSLATIONS = 12  # of a word; further ones would have a share of nothing
_ENDINGS = ("s", "es", "a", "o", "as", "os")
_SHORTEST_NEW = 5
# How much below the median the output bias of new words is: their rows were never trained, and are
# to be predicted where the word itself stands, but not wherever something is a little like it.
_BIAS_BELOW_MEDIAN = 2.0


def teach(model: TrainableSparseModel, lexicon: Lexicon) -> TrainableSparseModel:
    """Return `model` with an expansion that gives words the weight of their translations.

    A word that the tokenizer would split joins the vocabulary. Left as they are, and told by a
    warning, are those of them that are short, hold anything but letters, or are an entry with
    another ending ("sabanas", which its entry finds), and words of whose translations the model
    knows none. Words of an earlier lexicon stay, unless they are taught anew.

    The model given is changed, and must not be used any more: load it again for another lexicon.

    Raises:
        UsageError: a word without translations, or that is none or more than one.
        ModelError: words have to join the vocabulary of a model that is no BERT with a WordPiece
            tokenizer and a head that is tied to the embeddings.
    """
    tokenizer = Tokenizer.from_str(model.tokenizer.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    # Translations are in words that the model knew before: a new one has nothing to hand on.
    words = _normalized(lexicon, tokenizer)
    lexicon = {word: known for word, known in words.items() if known}
    earlier = model.expansion
    new = _new_words(lexicon, tokenizer)
    if new:
        _check_growing(model)
        model = _with_words(model, tokenizer, {word: lexicon[word] for word in new})
    vocabulary = model.tokenizer.get_vocab()
    left = [
        f"{word} ({_why_left(word, lexicon, tokenizer)})"
        for word in sorted(words)
        if word not in lexicon or word not in vocabulary
    ]
    if left:
        warnings.warn(f"not taught: {', '.join(left)}", stacklevel=2)
    model.expansion = _expansion(model, lexicon, tokenizer, earlier)
    return model.eval()


def _normalized(lexicon: Lexicon, tokenizer: Tokenizer) -> dict[str, list[str]]:
    """Return the words in lower case without accents, with the translations that are known.

    A word is no translation of itself.
    """
    if not isinstance(lexicon, Mapping) or not all(isinstance(word, str) for word in lexicon):
        raise UsageError("lexicon: words with lists of their translations are wanted, as a dict")
    found: dict[str, list[str]] = {}
    for word, translations in lexicon.items():
        if (
            isinstance(translations, str)
            or not translations
            or not all(isinstance(each, str) for each in translations)
        ):
            raise UsageError(
                f"lexicon: {word!r} needs a list of at least one translation, likeliest first, "
                f"not {translations!r}"
            )
        seen = _seen(word, tokenizer)
        if not seen or any(character.isspace() for character in seen):
            raise UsageError(f"lexicon: {word!r} is not one word: only single words can be taught")
        known = found.setdefault(seen, [])
        for translation in (_seen(each, tokenizer) for each in translations):
            if translation not in (seen, *known) and len(_ids(tokenizer, translation)):
                known.append(translation)
    return found


def _seen(text: str, tokenizer: Tokenizer) -> str:
    normalizer = tokenizer.normalizer
    return (normalizer.normalize_str(text) if normalizer else text).strip()


def _new_words(lexicon: Lexicon, tokenizer: Tokenizer) -> list[str]:
    """Return the words that are to join the vocabulary, sorted."""
    new: set[str] = set()
    for word in sorted(lexicon, key=len):  # a stem before its forms
        pieces = tokenizer.encode(word, add_special_tokens=False).tokens
        form = (len(pieces) == 2 and pieces[1].removeprefix("##") in _ENDINGS) or any(
            word.endswith(ending) and word.removesuffix(ending) in new for ending in _ENDINGS
        )
        if len(pieces) > 1 and not form and len(word) >= _SHORTEST_NEW and word.isalpha():
            new.add(word)
    return sorted(new)


def _why_left(word: str, lexicon: Lexicon, tokenizer: Tokenizer) -> str:
    if word not in lexicon:
        return "no translation that the model knows"
    if len(word) < _SHORTEST_NEW or not word.isalpha():
        return f"shorter than {_SHORTEST_NEW} letters, or more than letters"
    pieces = tokenizer.encode(word, add_special_tokens=False).tokens
    stems = [word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending)]
    stem = pieces[0] if len(pieces) == 2 else next((s for s in stems if s in lexicon), None)
    return f"taken for a form of {stem}" if stem else "letters that the model does not know"


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


def _extended(tokenizer: Any, words: Lexicon) -> Any:
    """Return the transformers tokenizer with more entries behind its own."""
    extended = copy.deepcopy(tokenizer)
    extended._tokenizer = with_entries(extended.backend_tokenizer, words)
    return extended


def _expansion(
    model: TrainableSparseModel,
    lexicon: Lexicon,
    tokenizer: Tokenizer,
    earlier: DocumentExpansion | None,
) -> DocumentExpansion:
    vocabulary = model.tokenizer.get_vocab()
    sources: list[int] = []
    targets: list[int] = []
    shares: list[float] = []
    if earlier is not None:  # words that are not taught anew keep what they have
        anew = {vocabulary.get(word) for word in lexicon}
        entries = earlier.weights.tocoo()
        for source, target, kept in zip(entries.row, entries.col, entries.data, strict=True):
            if int(target) not in anew:
                sources.append(int(source))
                targets.append(int(target))
                shares.append(float(kept))
    for word in sorted(lexicon):
        target = vocabulary.get(word)
        if target is None:  # split, and not taken into the vocabulary
            continue
        for place, translation in enumerate(lexicon[word][:_TRANSLATIONS]):
            ids = _ids(tokenizer, translation)
            for source in ids.tolist():
                if source != target:
                    sources.append(source)
                    targets.append(target)
                    shares.append(_SHARE * _DECAY**place / len(ids))
    size = model.vocabulary_size
    values = np.array(shares, dtype=np.float32)
    matrix = csr_matrix((values, (sources, targets)), shape=(size, size))
    matrix.sum_duplicates()  # two translations may share a word
    return DocumentExpansion(matrix)


def _ids(tokenizer: Tokenizer, text: str) -> torch.Tensor:
    """Return the tokens (n,) int64 of `text` that the vocabulary has."""
    found = tokenizer.encode(text, add_special_tokens=False)
    unknown = getattr(tokenizer.model, "unk_token", None)
    known = [at for at, token in zip(found.ids, found.tokens, strict=True) if token != unknown]
    return torch.tensor(known, dtype=torch.int64)
