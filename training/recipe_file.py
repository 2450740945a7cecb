"""Recipe files: TOML that sets the fields of `Recipe` by name, those of its parts in tables.

Whatever a file leaves out keeps the value that `training.configuration` gives it.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from training.configuration import DevCollection, Recipe, Source, Teacher

_FOLDER = Path(__file__).parent / "recipes"
_BUILT_IN = {"default": _FOLDER / "default" / "recipe.toml", "card": _FOLDER / "card.toml"}
_EPOCHS_OF_OWN_FILES = 3.0


def recipe_path(name_or_file: str | os.PathLike[str]) -> Path:
    """Return the file of a recipe: "default" and "card" are part of the package."""
    return _BUILT_IN.get(os.fspath(name_or_file), Path(name_or_file))


def read_recipe(
    name_or_file: str | os.PathLike[str],
    settings: Iterable[str] = (),
    *,
    files: Sequence[str | os.PathLike[str]] = (),
    model: str | None = None,
    dev: Sequence[str | os.PathLike[str]] = (),
) -> Recipe:
    """Read a recipe: "default", "card" or a file.

    Paths in a recipe file are looked for in its own folder first.

    Args:
        name_or_file: which recipe.
        settings: such as "optimizer.warmup=0.1", change values of it.
        files: training data in place of the recipe's own sources. A dense teacher and dev
            collections, which belong to those, are left out, and the files are passed three
            times; `settings` can say otherwise.
        model: where training starts, in place of what the recipe says.
        dev: collections to measure on, in place of the recipe's.

    Raises:
        UsageError: anything that makes no sense, with the file and the name of the value.
    """
    file = recipe_path(name_or_file)
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        known = " or ".join(_BUILT_IN)
        raise UsageError(
            f"recipe {file} cannot be read ({error.strerror}): name a TOML file, {known}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"recipe {file} is no valid TOML: {error}") from error
    for setting in settings:
        _apply(content, setting)
    recipe = build_recipe(content, where=f"recipe {file}")
    set_by_hand = {setting.partition("=")[0].strip() for setting in settings}
    if files:
        recipe = _for_own_files(recipe, files, set_by_hand)
        if file in _BUILT_IN.values() and "model" not in set_by_hand:
            # The starting model of a recipe of ours lies beside the data that it is built with.
            recipe = dataclasses.replace(recipe, model=_start_of(recipe))
    else:
        recipe = _beside(recipe, file.parent)
    if model is not None:
        recipe = dataclasses.replace(recipe, model=model)
    if dev:
        collections = tuple(DevCollection(os.fspath(each)) for each in dev)
        recipe = dataclasses.replace(
            recipe, dev=dataclasses.replace(recipe.dev, collections=collections)
        )
    return recipe


def build_recipe(content: Mapping[str, Any], *, where: str = "the recipe") -> Recipe:
    """Build a recipe from the values of a recipe file; `where` is what errors call it."""
    recipe: Recipe = _build(Recipe, content, where, "")
    return recipe


def _for_own_files(
    recipe: Recipe, files: Sequence[str | os.PathLike[str]], set_by_hand: set[str]
) -> Recipe:
    source = Source(tuple(os.fspath(file) for file in files), teacher=True)
    own: dict[str, Any] = {
        "sources": (source,),
        "dev": dataclasses.replace(recipe.dev, collections=()),
    }
    if "teacher.model" not in set_by_hand:
        own["teacher"] = Teacher()
    if "steps" not in set_by_hand and recipe.steps:
        own["steps"] = 0
        if "epochs" not in set_by_hand:
            own["epochs"] = _EPOCHS_OF_OWN_FILES
    return dataclasses.replace(recipe, **own)


def _start_of(recipe: Recipe) -> str:
    return "default" if recipe.name == "default" else recipe.model


def _beside(recipe: Recipe, folder: Path) -> Recipe:
    """Return the recipe with the paths that are relative to its folder made so."""
    sources = tuple(
        dataclasses.replace(each, paths=tuple(_from(folder, path) for path in each.paths))
        for each in recipe.sources
    )
    collections = tuple(
        dataclasses.replace(
            each, path=_from(folder, each.path), queries=_from(folder, each.queries)
        )
        for each in recipe.dev.collections
    )
    return dataclasses.replace(
        recipe,
        model=_model_from(folder, recipe.model),
        sources=sources,
        teacher=dataclasses.replace(
            recipe.teacher, model=_model_from(folder, recipe.teacher.model)
        ),
        dev=dataclasses.replace(recipe.dev, collections=collections),
    )


def _from(folder: Path, path: str) -> str:
    """Return a path in `folder` where there is something, else what was given."""
    return str(folder / path) if path and (folder / path).exists() else path


def _model_from(folder: Path, name: str) -> str:
    """Like `_from`, for what may as well be a name on the hub or "default"."""
    is_model = any((folder / name / file).is_file() for file in ("config.json", "modules.json"))
    return str(folder / name) if name and is_model else name


def _apply(content: dict[str, Any], setting: str) -> None:
    name, equals, text = setting.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"{setting!r} sets nothing: write it as name=value, such as steps=500")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # a word without quotes
    *tables, last = name.strip().split(".")
    for table in tables:
        inner = content.setdefault(table, {})
        if not isinstance(inner, dict):
            raise UsageError(f"{setting!r} cannot be set: {table} is no table of one value each")
        content = inner
    content[last] = value


def _build(kind: Any, content: Any, where: str, prefix: str) -> Any:
    if not isinstance(content, Mapping):
        raise UsageError(f"{where}: {prefix.rstrip('.')} must be a table of names and values")
    hints = typing.get_type_hints(kind)
    values = {}
    for name, value in content.items():
        if name not in hints:
            near = difflib.get_close_matches(name, hints, 1)
            advice = f"did you mean {prefix}{near[0]}?" if near else f"it knows {', '.join(hints)}"
            raise UsageError(f"{where} sets {prefix}{name}, which does not exist: {advice}")
        values[name] = _value(hints[name], value, where, prefix + name)
    try:
        return kind(**values)
    except TypeError as error:  # a value without a default is missing
        missing = str(error).rpartition(": ")[2]
        raise UsageError(f"{where}: {prefix.rstrip('.')} lacks {missing}") from error
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _value(hint: Any, value: Any, where: str, name: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, where, name + ".")
    if typing.get_origin(hint) is tuple:
        each = typing.get_args(hint)[0]
        if isinstance(value, str) and each is str:
            value = [value]
        if isinstance(value, list | tuple):
            return tuple(_value(each, one, where, name) for one in value)
        expected = "a list"
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif type(value) is hint:
        return value
    else:
        kinds = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
        expected = kinds[hint]
    raise UsageError(f"{where}: {name} is {value!r}, but must be {expected}")
