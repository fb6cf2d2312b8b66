"""What this machine's processor does by itself."""

import re
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_BF16 = {"avx512_bf16", "amx_bf16"}


@cache
def multiplies_bf16(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether it multiplies bf16 matrices itself: x86 with AVX512_BF16 or AMX, where Linux says so.

    Elsewhere bf16 is emulated, and slower than fp32.
    """
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return flags is not None and not _BF16.isdisjoint(flags.group(1).split())
