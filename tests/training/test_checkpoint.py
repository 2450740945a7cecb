from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine.errors import ModelError
from training.checkpoint import read_checkpoint, write_checkpoint


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    for step in (1, 2):
        write_checkpoint(path, {"step": step, "model": {"w": torch.ones(2)}, "best": 0.5})
        state = read_checkpoint(path)
        assert state["step"] == step
        assert state["model"]["w"].tolist() == [1, 1]
    assert len(list(tmp_path.iterdir())) == 1


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("code in a checkpoint was run",))


def test_damage_is_told_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, {"step": 1, "model": {"w": torch.ones(2000)}})
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"nothing", whole[:-100]):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="--restart"):
            read_checkpoint(path)


def test_code_in_a_checkpoint_is_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"format": 1, "x": Evil()}, path)
    with pytest.raises(ModelError, match="--restart"):
        read_checkpoint(path)
    assert capsys.readouterr().out == ""


def test_another_version_is_refused(tmp_path: Path) -> None:
    torch.save({"format": 99}, tmp_path / "checkpoint.pt")
    with pytest.raises(ModelError, match="another version"):
        read_checkpoint(tmp_path / "checkpoint.pt")
