"""Runs the command line in forks of a process that has torch loaded already.

Loading torch takes seconds, and every run of `engine index` pays them. Each request is one JSON
line, `{"arguments", "cwd", "environment", "stdin", "stdout", "stderr"}` with paths of files for
the last three; the answer is the exit status. Nothing but imports is shared between runs.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

import numba  # noqa: F401
import transformers
from transformers import BertForMaskedLM, BertModel, PreTrainedTokenizerFast

import indexer.pipeline  # noqa: F401
import training.evaluation.evaluation  # noqa: F401
from engine.cli import main

LOADED = (transformers, BertForMaskedLM, BertModel, PreTrainedTokenizerFast)


def run(request: dict[str, Any]) -> int:
    os.chdir(request["cwd"])
    os.environ.update(request["environment"])
    for descriptor, name, mode in (
        (0, "stdin", os.O_RDONLY),
        (1, "stdout", os.O_WRONLY),
        (2, "stderr", os.O_WRONLY),
    ):
        file = os.open(request[name], mode)
        os.dup2(file, descriptor)
        os.close(file)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  # what the parent has buffered is not ours
    try:
        main(request["arguments"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def serve() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 99
            try:
                code = run(request)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
