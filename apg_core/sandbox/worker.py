"""The process that decodes untrusted files: reads requests on its input, answers on its output, one at a time.

It limits itself: a request that takes too long ends the process by an alarm, and memory beyond the limit cannot
be had. Nothing of it survives its parent, whose end closes the input.
"""

import os
import resource
import signal
import sys
from pathlib import Path

from apg_core.errors import InputError, LimitError
from apg_core.inputs.prompt import read_prompt
from apg_core.protocol.packing import pack_prompt
from apg_core.sandbox.cleaning import cleaned
from apg_core.sandbox.messages import DecodeAnswer, Decoded, DecodeRequest, Refusal
from apg_core.sandbox.suggestion import suggest_mask


def serve(memory_bytes: int) -> None:
    """Answer requests until the input ends."""
    _limit_memory(memory_bytes)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints must not mix with the answers
    answers.write("ready\n")
    for line in sys.stdin:
        request = DecodeRequest.model_validate_json(line)
        signal.setitimer(signal.ITIMER_REAL, request.seconds)
        answer = _answer(request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(answer.model_dump_json() + "\n")


def _answer(request: DecodeRequest) -> DecodeAnswer:
    try:
        return DecodeAnswer(decoded=_decode(request))
    except InputError as error:
        return DecodeAnswer(refusal=Refusal.of(error))
    except MemoryError:
        too_large = LimitError("decoding the inputs takes more memory than is allowed; make them smaller")
        return DecodeAnswer(refusal=Refusal.of(too_large))


def _decode(request: DecodeRequest) -> Decoded:
    prompt = read_prompt(request.files, request.limits)
    if request.suggest is not None:
        assert prompt.image is not None
        suggestion = suggest_mask(prompt.image, request.suggest)
        request.output.write_text(suggestion.model_dump_json(), encoding="utf-8")
        return Decoded(mode=prompt.mode, regions=suggestion.regions)
    if request.clean:
        prompt = cleaned(prompt)
    request.output.write_bytes(pack_prompt(prompt))
    return Decoded(mode=prompt.mode, regions=None if prompt.regions is None else len(prompt.regions))


def _limit_memory(allowed: int) -> None:
    # The limit is on address space, of which libraries have taken some already without using it.
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + allowed,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    serve(int(sys.argv[1]))
