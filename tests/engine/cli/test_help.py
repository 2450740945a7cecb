"""Every command and every option says what it does, with examples that can be typed."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from engine.cli.examples import WithExamples
from engine.cli.group import engine
from engine.cli.options import DEFAULT_INDEX

# These work on the index of a shop; those that train and measure models do not.
ON_AN_INDEX = [
    *["index", "sync", "delete", "search", "explain", "encode", "info", "get"],
    *["bench", "verify", "backup", "compact"],
]
COMMANDS = [*ON_AN_INDEX, "train", "evaluate"]


EVERY_COMMAND: list[click.Command] = [engine, *engine.commands.values()]


def test_the_commands_in_the_order_in_which_they_are_listed() -> None:
    assert engine.list_commands(click.Context(engine)) == COMMANDS


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=lambda command: command.name)
def test_each_command_has_help_and_an_example(command: click.Command) -> None:
    assert command.help
    assert isinstance(command, WithExamples)
    assert command.examples
    if command is not engine:
        assert command.short_help
    shown = command.get_help(click.Context(command, info_name=command.name))
    for example in command.examples:
        assert f"\n  {example}\n" in shown


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=lambda command: command.name)
def test_each_option_has_help(command: click.Command) -> None:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert parameter.help.endswith("."), parameter.name


@pytest.mark.parametrize("name", ON_AN_INDEX)
def test_all_speak_alike(name: str) -> None:
    options = {
        text: parameter for parameter in engine.commands[name].params for text in parameter.opts
    }
    assert options["--index"].default == DEFAULT_INDEX
    assert options["--index"].envvar == "ENGINE_INDEX"
    assert isinstance(options["--json"].type, click.types.BoolParamType)


@pytest.mark.parametrize(
    "example",
    [example for command in EVERY_COMMAND for example in getattr(command, "examples", ())],
)
def test_examples_are_accepted(example: str) -> None:
    # Standard input and output are the shell's business.
    words = shlex.split(re.split(" [<>] ", example.rpartition("| ")[2])[0])
    assert words[0] == "engine"
    command = engine.commands[words[1]]
    context = command.make_context(words[1], words[2:])
    assert context.params["index_path"] if words[1] in ON_AN_INDEX else context.params


def test_lines_of_help_fit_a_narrow_terminal() -> None:
    for command in EVERY_COMMAND:
        examples = set(getattr(command, "examples", ()))
        context = click.Context(command, info_name=command.name, terminal_width=80)
        for line in command.get_help(context).splitlines():
            assert len(line) <= 80 or line.strip() in examples
