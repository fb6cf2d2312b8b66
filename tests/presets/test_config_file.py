"""One config file over another, and references between keys."""

from pathlib import Path

import pytest

from apg_core.errors import PresetError
from apg_core.presets import load_preset
from apg_core.presets.config_file import read_config
from tests.support.release import CONFIG, CONFIG_4096


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_file_overrides_the_one_that_it_names_key_by_key(tmp_path: Path) -> None:
    write(tmp_path / "base" / "default.yaml", CONFIG.read_text())
    middle = write(tmp_path / "base" / "middle.yaml", "__default__: default.yaml\nguidance: {whole_cfg_scale: 5.0}\n")
    text = "__default__: ../base/middle.yaml\nscheduler: {num_inference_timesteps: 20}\n"
    preset = load_preset(write(tmp_path / "mine" / "short.yaml", text))
    plain = load_preset(middle.parent / "default.yaml")
    assert (preset.name, preset.whole_guidance, preset.defaults["num_inference_steps"]) == ("short", 5.0, 20)
    assert (preset.dit, preset.vae, preset.guidance, preset.weights) == (
        plain.dit,
        plain.vae,
        plain.guidance,
        plain.weights,
    )


def test_the_overridden_file_may_be_named_from_the_working_directory_or_absolutely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "configs" / "base.yaml", CONFIG_4096.read_text())
    monkeypatch.chdir(tmp_path)
    for place, named in enumerate(("configs/base.yaml", CONFIG_4096)):
        path = write(tmp_path / "mine" / f"{place}.yaml", f"__default__: {named}\n")
        assert load_preset(path).num_latents == 4096


def test_a_reference_has_the_value_and_the_type_of_the_key_that_it_names(tmp_path: Path) -> None:
    text = """
    a: {number: 3, switch: true, pair: [1, 2.5], name: x}
    b: {number: "${a.number}", switch: "${a.switch}", pair: "${a.pair}", path: "to/${a.name}_${a.number}.pth"}
    c: {again: "${b.number}", items: ["${a.name}", "plain"]}
    top: ${a.number}
    """
    content, _ = read_config(write(tmp_path / "config.yaml", text))
    assert content["b"] == {"number": 3, "switch": True, "pair": [1, 2.5], "path": "to/x_3.pth"}
    assert content["c"] == {"again": 3, "items": ["x", "plain"]}
    assert content["top"] == 3


def test_references_are_followed_after_files_are_laid_over_each_other(tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", CONFIG.read_text().replace("latent_dim: 64", "latent_dim: ${dit.in_channels}"))
    text = "__default__: base.yaml\ndit: {in_channels: 32}\nvae: {latent_channels: '${dit.in_channels}'}\n"
    preset = load_preset(write(tmp_path / "mine.yaml", text))
    assert preset.dit.latent_channels == preset.vae.latent_channels == 32


def test_a_key_that_another_refers_to_is_read_and_needs_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = f"__default__: {CONFIG}\nplaces: {{mine: runs}}\nvae: {{checkpoint_path: '${{places.mine}}/vae.pth'}}\n"
    preset = load_preset(write(tmp_path / "mine.yaml", text + "steps: 3\n"))
    assert preset.weights["vae"].path == Path("runs/vae.pth")
    assert [record.getMessage() for record in caplog.records] == [f"{tmp_path / 'mine.yaml'}: nothing reads steps"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("__default__: gone.yaml\n", r"__default__ names gone\.yaml, which is not at .*gone\.yaml or "),
        ("__default__: [a.yaml, b.yaml]\n", "must be the path of one file, got"),
        ("__default__: config.yaml\n", "leads back to the file itself"),
        ("a: ${b.c}\n", r"\$\{b\.c\} names no key"),
        ("a: ${a}\n", r"\$\{a\} refers to itself"),
        ("a: ${b}\nb: ${a}\n", "refers to itself"),
        ("a: ${oc.env:HOME}\n", r"\$\{oc\.env:HOME\} cannot be honoured; only \$\{section\.key\} is"),
        ("a: ${env:HOME}\n", "cannot be honoured"),
        ("- a\n- b\n", "expected a mapping of sections, got list"),
        ("", "expected a mapping of sections, got NoneType"),
        ("a: [\n", "is not YAML"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(PresetError, match=words):
        read_config(write(tmp_path / "config.yaml", text))
