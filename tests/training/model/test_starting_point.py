from typing import Any

import torch
from transformers import BertConfig, BertModel

from training.model.starting_point import add_head, add_words, replace_words

CONFIG = BertConfig(
    vocab_size=40,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=64,
)


def encoder() -> Any:
    torch.manual_seed(1)
    model: Any = BertModel(CONFIG, add_pooling_layer=False)
    model.eval()
    with torch.no_grad():  # states with a mean and a spread of their own
        model.encoder.layer[-1].output.LayerNorm.weight.fill_(0.4)
        model.encoder.layer[-1].output.LayerNorm.bias.fill_(0.1)
    return model


def test_head_hands_the_states_through() -> None:
    plain = encoder()
    sample = [torch.randint(40, (8, 12))]
    model = add_head(plain, sample)
    with torch.no_grad():
        states = plain(input_ids=sample[0]).last_hidden_state
        transformed = model.cls.predictions.transform(states)
        logits = model(input_ids=sample[0]).logits
    assert torch.allclose(transformed, states, atol=0.02)
    expected = transformed @ plain.get_input_embeddings().weight.T - 2.1
    assert torch.allclose(logits, expected, atol=1e-5)


def test_without_a_sample_random_tokens_serve() -> None:
    plain = encoder()
    with torch.no_grad():
        states = plain(input_ids=torch.arange(40)[None]).last_hidden_state
        transformed = add_head(plain).cls.predictions.transform(states)
    assert torch.allclose(transformed, states, atol=0.02)


def test_words_are_added_behind_and_tied_on_both_sides() -> None:
    model: Any = add_head(encoder())
    before = model(input_ids=torch.tensor([[2, 3, 4]])).logits.detach()
    rows = torch.randn(5, 16)
    add_words(model, rows, -1.0)
    after = model(input_ids=torch.tensor([[2, 3, 4]])).logits.detach()
    assert after.shape[-1] == model.config.vocab_size == 45
    assert torch.allclose(after[..., :40], before, atol=1e-6)
    assert model.cls.predictions.bias[40:].tolist() == [-1.0] * 5
    assert torch.equal(model.get_input_embeddings().weight[40:], rows)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_replaced_words_change_nothing_else() -> None:
    model: Any = add_head(encoder())
    before = model(input_ids=torch.tensor([[2, 3, 4]])).logits.detach()
    rows = torch.randn(2, 16)
    replace_words(model, torch.tensor([9, 30]), rows, -1.0)
    after = model(input_ids=torch.tensor([[2, 3, 4]])).logits.detach()
    others = [each for each in range(40) if each not in (9, 30)]
    assert torch.equal(after[..., others], before[..., others])
    assert not torch.allclose(after[..., [9, 30]], before[..., [9, 30]])
    assert model.cls.predictions.bias[[9, 30]].tolist() == [-1.0] * 2
    assert torch.equal(model.get_output_embeddings().weight[[9, 30]], rows)
