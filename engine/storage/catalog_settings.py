"""How catalogs are read into an index, kept with it so that later runs read them alike."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from engine.errors import IndexDamagedError


@dataclass(frozen=True, slots=True)
class CatalogSettings:
    """What a run over catalogs was told, and the next one need not be told again.

    Attributes:
        id_field: the field with the id; None to find it by its name.
        text_fields: fields whose text is encoded; none to find them by their names.
        max_active_dims: how many of the largest weights of a document are kept; None for all that
            the model gives.
    """

    id_field: str | None = None
    text_fields: tuple[str, ...] = ()
    max_active_dims: int | None = None

    def __bool__(self) -> bool:
        """Whether anything was said."""
        return self != CatalogSettings()

    def over(self, earlier: CatalogSettings) -> CatalogSettings:
        """These settings; where they say nothing, what was said earlier."""
        return CatalogSettings(
            earlier.id_field if self.id_field is None else self.id_field,
            self.text_fields or earlier.text_fields,
            earlier.max_active_dims if self.max_active_dims is None else self.max_active_dims,
        )

    def without(self, other: CatalogSettings) -> CatalogSettings:
        """What these settings say and `other` is silent about."""
        return CatalogSettings(
            self.id_field if other.id_field is None else None,
            () if other.text_fields else self.text_fields,
            self.max_active_dims if other.max_active_dims is None else None,
        )

    def options(self) -> list[str]:
        """The settings as options of `engine index` and `engine sync`."""
        words: list[str] = []
        if self.id_field is not None:
            words += ["--id-field", self.id_field]
        for name in self.text_fields:
            words += ["--text-field", name]
        if self.max_active_dims is not None:
            words += ["--max-active-dims", str(self.max_active_dims)]
        return words


def dump_settings(settings: CatalogSettings) -> bytes:
    """Serialise settings for storage."""
    return json.dumps(dataclasses.asdict(settings)).encode()


def load_settings(data: bytes, where: str) -> CatalogSettings:
    """Read settings as `dump_settings` wrote them.

    Raises:
        IndexDamagedError: they cannot be understood.
    """
    try:
        fields = json.loads(data)
        settings = CatalogSettings(
            fields["id_field"], tuple(fields["text_fields"]), fields["max_active_dims"]
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(where, error) from None
    dims = settings.max_active_dims
    if not (
        isinstance(settings.id_field, str | None)
        and isinstance(fields["text_fields"], list)
        and all(isinstance(name, str) for name in settings.text_fields)
        and (dims is None or (type(dims) is int and dims >= 1))
    ):
        raise _damaged(where, settings)
    return settings


def _damaged(where: str, why: object) -> IndexDamagedError:
    return IndexDamagedError(f"{where}: the settings for catalogs are damaged ({why})")
