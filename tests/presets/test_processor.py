"""Half precision on a CPU is for processors that multiply it themselves."""

from pathlib import Path

import pytest

from apg_core.presets import load_preset
from apg_core.presets.processor import multiplies_bf16


@pytest.mark.parametrize(
    ("text", "native"),
    [
        ("model name\t: X\nflags\t\t: fpu avx512f avx512_bf16 sse\n", True),
        ("flags : amx_tile amx_bf16\n", True),
        ("flags : avx2 avx512f avx512_bf16x\n", False),
        ("Features : asimd bf16\n", False),
        ("", False),
    ],
)
def test_it_is_told_by_the_processor_s_flags(tmp_path: Path, text: str, native: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(text)
    assert multiplies_bf16(cpuinfo) is native
    assert multiplies_bf16(tmp_path / "none") is False


def test_a_choice_comes_before_the_preset_and_the_preset_before_fp32() -> None:
    tiny, published = load_preset("tiny"), load_preset("autopartgen-2048")
    assert tiny.precision_on("cpu") == ("bf16" if multiplies_bf16() else "fp32")
    assert (published.precision_on("cpu"), published.precision_on("cuda")) == ("fp32", "bf16")
    assert {tiny.precision_on(device, "fp16") for device in ("cpu", "cuda")} == {"fp16"}
