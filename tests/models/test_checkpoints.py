"""Weight files are read safely and strictly, in every layout they are published in."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from apg_core.errors import WeightsMismatchError, WeightsMissingError
from apg_core.models.checkpoints import assign_weights, image_encoder_state, read_state_dict
from apg_core.models.image_encoder import ImageEncoder
from apg_core.models.part_dit import PartDit
from apg_core.presets import load_preset

NANO = load_preset("nano")


def test_a_wrapped_a_bare_and_a_safetensors_file_read_the_same(tmp_path: Path) -> None:
    state = PartDit(NANO.dit).state_dict()
    torch.save({"model": state}, tmp_path / "wrapped.pth")
    torch.save(state, tmp_path / "bare.pth")
    save_file(state, tmp_path / "plain.safetensors")
    for name in ("wrapped.pth", "bare.pth", "plain.safetensors"):
        read = read_state_dict(tmp_path / name)
        assert read.keys() == state.keys()
        assert all(torch.equal(read[key], state[key]) for key in state)


def test_saving_and_loading_gives_the_same_outputs() -> None:
    first, second = PartDit(NANO.dit), PartDit(NANO.dit)
    assign_weights(second, first.state_dict(), source="memory")
    image, geometry = torch.randn(1, 21, 96), torch.randn(1, 2, 32, 16)
    noisy, timestep = torch.randn(1, 32, 16), torch.tensor([500])
    outputs = [network(noisy, timestep, network.context(image, geometry)) for network in (first, second)]
    assert torch.equal(*outputs)


def test_a_wrong_file_is_an_error_that_names_the_keys() -> None:
    state = PartDit(NANO.dit).state_dict()
    del state["proj_in.weight"]
    state["extra"] = torch.zeros(1)
    state["proj_out.bias"] = torch.zeros(3)
    with pytest.raises(WeightsMismatchError) as caught:
        assign_weights(PartDit(NANO.dit), state, source="dit.pth")
    for words in ("missing proj_in.weight", "unexpected extra", "proj_out.bias is (3,), not (16,)", "dit.pth"):
        assert words in caught.value.message


def test_a_missing_file_is_an_error_that_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match="apg fetch-weights"):
        read_state_dict(tmp_path / "dit.pth")


class Boom:
    """Runs code when it is unpickled the unsafe way."""

    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("raise SystemExit('unsafe')",)


def test_a_pickle_with_code_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"model": Boom()}))
    torch.save({"model": Boom()}, tmp_path / "evil2.pth")
    for name in ("evil.pth", "evil2.pth"):
        with pytest.raises(WeightsMismatchError, match="cannot be read"):
            read_state_dict(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"PK\x03\x04 not really a zip"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_broken_file_is_a_clear_error(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsMismatchError, match=path.name):
        read_state_dict(path)


def test_a_file_of_something_else_is_a_clear_error(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsMismatchError, match="no state dict"):
        read_state_dict(tmp_path / "list.pth")


PROJECTIONS = {
    "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense",
}


def named(state: dict[str, torch.Tensor], renaming: dict[str, str]) -> dict[str, torch.Tensor]:
    """The state with these pieces of its keys replaced."""
    renamed = {}
    for key, tensor in state.items():
        name = key
        for old, new in renaming.items():
            name = name.replace(old, new)
        renamed[name] = tensor
    return renamed


@pytest.mark.parametrize("prefix", ["", "backbone."])
@pytest.mark.parametrize("file_is_older", [False, True])
def test_either_naming_of_a_file_loads(prefix: str, file_is_older: bool) -> None:
    state = ImageEncoder(NANO.image_encoder).state_dict()
    file = named(state, PROJECTIONS) if file_is_older else state
    file = {key.replace("backbone.", prefix): tensor for key, tensor in file.items()}
    renamed = image_encoder_state(file)
    assert renamed.keys() == state.keys()
    assert all(renamed[key] is state[key] for key in state)


def test_a_key_that_the_image_encoder_does_not_have_keeps_its_name() -> None:
    assert list(image_encoder_state({"extra": torch.zeros(1)})) == ["backbone.extra"]
