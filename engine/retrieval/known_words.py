"""Words of queries and their vocabulary entries, kept: shoppers use the same few thousand words.

Tokenizing a query costs as much as scoring it. A tokenizer of the kind that BERT has looks at what
stands between two spaces without regard to the rest, so that what it made of a word once is what
it makes of it in every query.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

# Together they bound the memory that is taken to a few megabytes.
_MOST_WORDS = 1 << 14
_LONGEST_WORD = 48
# A text of more is tokenized as a whole: words that are new cost a call each.
_MOST_WORDS_OF_A_TEXT = 32


def splits_at_spaces(tokenizer: Tokenizer) -> bool:
    """Whether the entries of a text are those of the pieces between its spaces, one by one.

    True for what is known to be so: BERT's normaliser works on single characters and on what
    combines or joins with them, which a space never does; its pre-tokenizer cuts at spaces;
    WordPiece splits each word by itself. Entries that were added to the vocabulary are looked for
    in the text as it came, and so may hold no space.
    """
    return (
        isinstance(tokenizer.normalizer, BertNormalizer)
        and isinstance(tokenizer.pre_tokenizer, BertPreTokenizer)
        and isinstance(tokenizer.model, WordPiece)
        and not any(
            token.normalized or any(map(str.isspace, token.content))
            for token in tokenizer.get_added_tokens_decoder().values()
        )
    )


class KnownWords:
    """Entries of texts by way of their words; threads may share it, and forked processes have it.

    Args:
        entries_of: tokenizes a piece of text that holds no space; what it returns for one that
            was not met before is kept.
    """

    def __init__(self, entries_of: Callable[[str], Collection[int]]) -> None:
        self._entries_of = entries_of
        self._known: dict[str, tuple[int, ...]] = {}

    def entries(self, text: str) -> set[int] | None:
        """Distinct entries of a text; None for one of so many words that it is for others to do."""
        words = text.split(" ")
        if len(words) > _MOST_WORDS_OF_A_TEXT:
            return None
        found: set[int] = set()
        known = self._known
        for word in words:
            entries = known.get(word)
            found.update(self._keep(word, self._entries_of(word)) if entries is None else entries)
        return found

    def learn(
        self,
        texts: Iterable[str],
        entries_of_all: Callable[[list[str]], Iterable[Collection[int]]],
    ) -> None:
        """Keep the new words of many texts, which are tokenized in one call."""
        new: set[str] = set()
        for text in texts:
            words = text.split(" ")
            if len(words) <= _MOST_WORDS_OF_A_TEXT:
                new.update(word for word in words if len(word) <= _LONGEST_WORD)
        unknown = [word for word in new if word not in self._known][:_MOST_WORDS]
        for word, entries in zip(unknown, entries_of_all(unknown), strict=True):
            self._keep(word, entries)

    def _keep(self, word: str, entries: Collection[int]) -> tuple[int, ...]:
        kept = tuple(entries)
        if len(word) <= _LONGEST_WORD:
            # All at once, as to know which was used last would cost more than to learn anew.
            if len(self._known) >= _MOST_WORDS:
                self._known.clear()
            self._known[word] = kept
        return kept
