"""The dense teacher: a frozen sentence encoder whose in-batch scores guide ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from indexer.model.source import find_model_directory
from indexer.model.tokenizer import encodable
from training.configuration import Teacher
from training.model.length_groups import length_groups
from training.model.loading import load_encoder, transformer_directory
from training.model.threads import ShardThreads


class DenseTeacher:
    """Encodes texts to unit vectors, and remembers every text that it has encoded.

    The vector of a text is the mean of its token states, normalised; the score of two texts the
    dot product times the configured scale.
    """

    def __init__(
        self,
        configuration: Teacher,
        device: torch.device,
        threads: ShardThreads,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        _, directory = find_model_directory(configuration.model)
        directory = transformer_directory(directory)
        self._encoder, tokenizer = load_encoder(directory)
        self._encoder.to(device=device, dtype=dtype).requires_grad_(False).eval()
        self._tokenizer: Tokenizer = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(configuration.max_length)
        self._configuration = configuration
        self._device = device
        self._threads = threads
        self._known: dict[str, np.ndarray] = {}

    def scores(self, queries: Sequence[str], documents: Sequence[str]) -> torch.Tensor:
        """Return the scores of all pairs: (queries, documents) float32."""
        query_vectors = self._encode([self._configuration.query_prompt + text for text in queries])
        document_vectors = self._encode(
            [self._configuration.document_prompt + text for text in documents]
        )
        return query_vectors @ document_vectors.T * self._configuration.scale

    def _encode(self, texts: Sequence[str]) -> torch.Tensor:
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        if new:
            # Half precision halves the memory of what is remembered; scores change by 1e-3.
            vectors = self._forward(new).cpu().numpy().astype(np.float16)
            self._known.update(zip(new, vectors, strict=True))
        found = np.stack([self._known[text] for text in texts])
        return torch.from_numpy(found).to(self._device).float()

    def _forward(self, texts: Sequence[str]) -> torch.Tensor:
        encodings = self._tokenizer.encode_batch_fast([encodable(text) for text in texts])
        token_ids = [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]
        lengths = np.array([len(ids) for ids in token_ids])
        shards = length_groups(lengths, self._device.type, shards=self._threads.count)
        groups = [group for shard in shards for group in shard]
        states = self._threads.map(
            lambda group: self._mean_states([token_ids[at] for at in group]), groups
        )
        vectors = torch.empty((len(texts), states[0].shape[1]), device=self._device)
        vectors[torch.from_numpy(np.concatenate(groups))] = torch.cat(states)
        return torch.nn.functional.normalize(vectors, dim=1)

    def _mean_states(self, token_ids: Sequence[np.ndarray]) -> torch.Tensor:
        longest = max(len(ids) for ids in token_ids)
        padded = np.zeros((len(token_ids), longest), dtype=np.int64)
        mask = np.zeros((len(token_ids), longest), dtype=np.float32)
        for at, ids in enumerate(token_ids):
            padded[at, : len(ids)] = ids
            mask[at, : len(ids)] = 1
        real = torch.from_numpy(mask).to(self._device)
        with torch.inference_mode():
            output: Any = self._encoder(
                input_ids=torch.from_numpy(padded).to(self._device), attention_mask=real.long()
            )
            states = output.last_hidden_state.float() * real[:, :, None]
            mean: torch.Tensor = states.sum(dim=1) / real.sum(dim=1, keepdim=True)
        return mean
