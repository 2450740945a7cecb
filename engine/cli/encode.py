"""`engine encode`: the tokens and weights of a text, as a query or as a document."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.examples import WithExamples
from engine.cli.extras import needs_extra
from engine.cli.options import Text, index_was_named, model_option, shared_options
from engine.errors import IndexNotFoundError, UsageError

if TYPE_CHECKING:
    from engine import SearchEngine
    from indexer.model import SparseModel


@dataclass(frozen=True, slots=True)
class _Encoding:
    """Tokens and weights, the highest first; `truncated` is None for queries."""

    model: str | None
    tokens: list[tuple[str, float]]
    truncated: bool | None = None


@click.command(
    cls=WithExamples,
    short_help="Show the tokens and weights of a text.",
    examples=[
        'engine encode "sábana queen"',
        'engine encode "Queen fitted sheet, white" --as document --top 10',
    ],
)
@click.argument("text", nargs=-1, required=True, type=Text(), metavar="TEXT")
@click.option(
    "--as",
    "side",
    type=click.Choice(["query", "document"]),
    default="query",
    show_default=True,
    help="Which side of the model encodes the text. A document needs the extra [indexer].",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    metavar="N",
    help="How many tokens to show, the highest weights first.",
)
@model_option
@shared_options
@click.pass_context
def encode(
    ctx: click.Context,
    text: tuple[str, ...],
    side: str,
    top: int,
    model_name: str | None,
    index_path: Path,
    as_json: bool,
) -> None:
    """Show the tokens that TEXT is searched or indexed under, and their weights.

    Without --model it is the model of the index, or the embedded default where there is no index.
    """
    from engine.cli.json_output import print_json

    whole = " ".join(text)
    if not whole.strip():
        raise UsageError("the text is empty; type some words to encode")
    encoding = _encode(ctx, whole, side, model_name, index_path)
    if as_json:
        print_json(_plain(encoding, whole, side, top), indented=True)
    else:
        _print(encoding, side, top)


def _encode(
    ctx: click.Context, text: str, side: str, model_name: str | None, index_path: Path
) -> _Encoding:
    recorded = None
    if model_name is None and (engine := _open_index(ctx, index_path)) is not None:
        with engine:
            recorded = engine.info().model
            if side == "query":
                return _Encoding(recorded, engine.encode_query(text))
        if recorded is None:
            raise UsageError(
                f"{index_path} was written from vectors without a model; name one with --model"
            )
    with needs_extra("indexer"):
        from indexer.model_choice import ModelChoice

        model = ModelChoice(model_name or None).load(recorded)
    return _query(model, text) if side == "query" else _document(model, text)


def _open_index(ctx: click.Context, index_path: Path) -> SearchEngine | None:
    from engine import SearchEngine

    try:
        return SearchEngine.open(index_path)
    except IndexNotFoundError:
        if index_was_named(ctx):
            raise
        return None


def _query(model: SparseModel, text: str) -> _Encoding:
    from engine.retrieval.query_encoder import QueryEncoder

    # The encoder of the engine, so that this shows what an index of the model would search for.
    encoder = QueryEncoder(model.tokenizer_json, model.static_weights, model.query_prompt)
    terms, weights = encoder.encode(text)
    pairs = sorted(zip(terms.tolist(), weights.tolist(), strict=True), key=lambda pair: -pair[1])
    return _Encoding(model.name, [(encoder.token(term), weight) for term, weight in pairs])


def _document(model: SparseModel, text: str) -> _Encoding:
    encoded = model.encode_documents([text])
    row = encoded.vectors
    pairs = sorted(
        zip(row.indices.tolist(), row.data.tolist(), strict=True), key=lambda pair: -pair[1]
    )
    tokens = [(model.token(term), weight) for term, weight in pairs]
    return _Encoding(model.name, tokens, bool(encoded.truncated[0]))


def _plain(encoding: _Encoding, text: str, side: str, top: int) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "text": text,
        "as": side,
        "model": encoding.model,
        "active_dimensions": len(encoding.tokens),
        "tokens": [{"token": token, "weight": weight} for token, weight in encoding.tokens[:top]],
    }
    if encoding.truncated is not None:
        plain["truncated"] = encoding.truncated
    return plain


def _print(encoding: _Encoding, side: str, top: int) -> None:
    from rich.table import Table

    from engine.cli.output import PlainConsole, count, plain

    console = PlainConsole()
    if not encoding.tokens:
        console.print(f"Nothing of this text is known to the model {plain(encoding.model)}.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("token", overflow="fold")
    table.add_column("weight", justify="right")
    for token, weight in encoding.tokens[:top]:
        table.add_row(plain(token), f"{weight:.4f}")
    console.print(table)
    total = len(encoding.tokens)
    shown = f"{top:,} of {total:,} tokens" if total > top else count(total, "token")
    console.print(plain(f"{shown}, as a {side}, with model {encoding.model}"), style="dim")
    if encoding.truncated:
        console.print("The text is longer than the model's maximum; its end was cut off.")
