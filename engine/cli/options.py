"""Options and argument types that commands share, so that all of them speak alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

INDEX_VARIABLE = "ENGINE_INDEX"
DEFAULT_INDEX = "engine.index"
_LONGEST_WAIT = 10_000_000.0  # longer sleeps fail on some platforms

Command = TypeVar("Command", bound=Callable[..., Any])


class Text(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """Text in valid Unicode: bytes that the locale cannot decode are refused."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text as it is."""
        try:
            value.encode()
        except UnicodeEncodeError:
            shown = value.encode("utf-8", "backslashreplace").decode()
            self.fail(f"'{shown}' is not valid UTF-8", param, ctx)
        return str(value)


class TextPath(Text):
    """A path whose name is valid text."""

    name = "path"

    def convert(  # type: ignore[override]
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Return the path."""
        text = super().convert(str(value), param, ctx)
        if not text:
            self.fail("the path is empty", param, ctx)
        return Path(text)


class Names(Text):
    """Names separated by commas."""

    name = "names"

    def convert(  # type: ignore[override]
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names, without the spaces around them."""
        if isinstance(value, tuple):
            return value
        text = super().convert(value, param, ctx)
        names = tuple(name.strip() for name in text.split(","))
        if not all(names):
            self.fail(f"{text!r} is no list of names such as title,price", param, ctx)
        return names


class Budget(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A budget of postings: a whole number, or a share with a decimal point."""

    name = "budget"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        """Return an int from 1 up or a float above 0 and up to 1."""
        try:
            number = float(value) if "." in str(value) else int(value)
        except ValueError:
            number = 0
        if number < 1 if isinstance(number, int) else not 0 < number <= 1:
            self.fail(
                f"{value!r} is neither a whole number of postings such as 20000 nor a share of "
                "them such as 0.5",
                param,
                ctx,
            )
        return number


def rho_option(command: Command) -> Command:
    """Add `--rho` (passed as `rho`, None where it is left out)."""
    return click.option(
        "--rho",
        type=Budget(),
        metavar="N_OR_SHARE",
        help="Read at most so many postings (20000), or a share of them (0.5): faster, not exact. "
        "1 is one posting, 1.0 all.",
    )(command)


def shared_options(command: Command) -> Command:
    """Add `--index` (passed as `index_path`, a Path) and `--json` (passed as `as_json`)."""
    command = click.option(
        "--json", "as_json", is_flag=True, help="Print JSON for programs instead of text."
    )(command)
    return click.option(
        "--index",
        "index_path",
        type=TextPath(),
        metavar="DIR",
        envvar=INDEX_VARIABLE,
        default=DEFAULT_INDEX,
        show_envvar=True,
        show_default=True,
        help="Folder of the index.",
    )(command)


def model_option(command: Command) -> Command:
    """Add `--model` (passed as `model_name`, None where it is left out)."""
    return click.option(
        "--model",
        "model_name",
        type=Text(),
        metavar="NAME_OR_PATH",
        help="Model: a folder, a name on the Hugging Face hub, or default for the embedded one.",
    )(command)


def wait_option(command: Command) -> Command:
    """Add `--wait` (passed as `wait`, seconds)."""
    return click.option(
        "--wait",
        type=click.FloatRange(min=0, max=_LONGEST_WAIT),
        default=0.0,
        metavar="SECONDS",
        help="How long to wait while another writer is at work in the index.",
    )(command)


def index_was_named(ctx: click.Context) -> bool:
    """Whether the caller named an index, by option or environment variable."""
    return ctx.get_parameter_source("index_path") not in (
        ParameterSource.DEFAULT,
        ParameterSource.DEFAULT_MAP,
    )
