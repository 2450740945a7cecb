"""Typed views of raw addresses inside Numba kernels.

A snapshot has many blocks and each has its arrays somewhere in the memory map. Kernels get one
table of addresses and view what they need. The snapshot that owns the map must outlive the call.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from engine.retrieval.parameters import LINE


def _pointer_to(element: Any) -> Any:
    @intrinsic
    def pointer(typing_context: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(element)(types.int64), codegen  # type: ignore[no-untyped-call]

    return pointer


uint8_pointer = _pointer_to(types.uint8)
uint16_pointer = _pointer_to(types.uint16)
uint32_pointer = _pointer_to(types.uint32)
int32_pointer = _pointer_to(types.int32)
int64_pointer = _pointer_to(types.int64)
float64_pointer = _pointer_to(types.float64)


def _prefetch_into(locality: int) -> Any:
    @intrinsic
    def prefetch(typing_context: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
            whole = ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [pointer.type, whole, whole, whole])
            function = builder.module.declare_intrinsic("llvm.prefetch.p0", fnty=kind)
            # Read, not write; data, not code.
            builder.call(function, [pointer, whole(0), whole(locality), whole(1)])
            return context.get_dummy_value()

        return types.void(types.int64), codegen

    return prefetch


# Ask for the cache line at an address, which need not be there when these return: into all levels
# of the cache, or past the first, for what is read a little later.
prefetch = _prefetch_into(3)
prefetch_outer = _prefetch_into(2)


@njit(nogil=True, error_model="numpy")
def prefetch_outer_range(begin, end):  # type: ignore[no-untyped-def]
    """Ask for all cache lines between two addresses, past the first level."""
    for line in range(begin & -LINE, end, LINE):
        prefetch_outer(line)
