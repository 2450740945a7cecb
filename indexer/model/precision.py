"""Choosing the device and the number format of the document encoder."""

from __future__ import annotations

import torch

from engine.errors import UsageError


def choose_device(device: str) -> torch.device:
    """Turn "auto", "cpu" or "cuda" into a device; "auto" takes CUDA when there is one."""
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"unknown device {device!r}: use auto, cpu or cuda")
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise UsageError("no CUDA device can be used here: use --device cpu or auto")
    return torch.device("cuda" if available and device != "cpu" else "cpu")


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """Turn "auto", "float32" or "bfloat16" into a format; "auto" takes bfloat16 where it is fast.

    A GPU without bfloat16 gets float32.
    """
    if dtype not in ("auto", "float32", "bfloat16"):
        raise UsageError(f"unknown dtype {dtype!r}: use auto, float32 or bfloat16")
    if dtype == "float32":
        return torch.float32
    if dtype == "bfloat16":
        return torch.bfloat16
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float32
    return torch.bfloat16 if _cpu_has_bfloat16() else torch.float32


def _cpu_has_bfloat16() -> bool:
    # Both questions are private to torch and absent from some versions: then the answer is no.
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        question = getattr(torch.cpu, name, None)
        if question is not None and question():
            return True
    return False
