"""Reading weight files: safely, strictly, with errors that name what differs.

`.pth` and `.bin` files are read with `weights_only=True` and never any other way. The key tables of DINOv2's two
other layouts live here too; every other network's own state dict has the published keys.
"""

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from apg_core.errors import WeightsMismatchError, WeightsMissingError

StateDict = dict[str, Tensor]
NAMED_KEYS = 5  # how many differing keys an error names

_DINO_TOP = {
    "cls_token": "embeddings.cls_token",
    "register_tokens": "embeddings.register_tokens",
    "mask_token": "embeddings.mask_token",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
    "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
    "norm.weight": "layernorm.weight",
    "norm.bias": "layernorm.bias",
}
_DINO_BLOCK = {
    "attn.proj": "attention.o_proj",
    "ls1.gamma": "layer_scale1.lambda1",
    "ls2.gamma": "layer_scale2.lambda1",
}
# What files for transformers before 5.18 call them.
_OLDER_NAMES = {
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
}


def read_state_dict(path: Path) -> StateDict:
    """The tensors of a weight file, on the CPU; a `{"model": ...}` wrapper is taken off.

    Raises:
        WeightsMissingError: there is no such file.
        WeightsMismatchError: the file is broken, or holds something else than tensors.
    """
    if not path.is_file():
        raise WeightsMissingError(f"no weight file at {path}; run `apg fetch-weights` or name the right folder")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsMismatchError(f"{path.name} cannot be read as tensors ({reason}); fetch it again") from error
    if isinstance(content, Mapping) and isinstance(content.get("model"), Mapping):
        content = content["model"]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise WeightsMismatchError(f"{path.name} holds no state dict: expected a mapping of names to tensors")
    return dict(content)


def saved_as(path: Path) -> str | None:
    """The name, without suffix, that a `.pth` file had when torch wrote it; None where it does not tell."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()[0].split("/")[0]
    except (OSError, zipfile.BadZipFile, IndexError):
        return None


def assign_weights(module: nn.Module, state: StateDict, *, source: str) -> None:
    """Give `module` these tensors.

    Raises:
        WeightsMismatchError: a key is missing, unexpected or of another shape; the first ones are named.
    """
    expected = module.state_dict()
    problems = [f"missing {key}" for key in expected if key not in state]
    problems += [f"unexpected {key}" for key in state if key not in expected]
    problems += [
        f"{key} is {tuple(state[key].shape)}, not {tuple(tensor.shape)}"
        for key, tensor in expected.items()
        if key in state and state[key].shape != tensor.shape
    ]
    if problems:
        more = f" and {len(problems) - NAMED_KEYS} more" if len(problems) > NAMED_KEYS else ""
        named = "; ".join(problems[:NAMED_KEYS])
        raise WeightsMismatchError(f"{source} is not the weights of this {type(module).__name__}: {named}{more}")
    module.load_state_dict(state, strict=True, assign=True)


def image_encoder_state(state: StateDict) -> StateDict:
    """DINOv2 weights under the image encoder's keys, from the original layout or Hugging Face's older or newer one.

    A key that has no counterpart there keeps its name.
    """
    if "pos_embed" in state:
        state = _from_original(state)
    return {f"backbone.{_newer_name(key.removeprefix('backbone.'))}": tensor for key, tensor in state.items()}


def _newer_name(key: str) -> str:
    for old, new in _OLDER_NAMES.items():
        key = key.replace(old, new)
    return key


def _from_original(state: StateDict) -> StateDict:
    renamed: StateDict = {}
    for key, tensor in state.items():
        if key in _DINO_TOP:
            renamed[_DINO_TOP[key]] = tensor
        elif match := re.fullmatch(r"blocks\.(\d+)\.(.+)", key):
            layer, name = f"encoder.layer.{match[1]}", match[2]
            if name.startswith("attn.qkv."):
                kind = name.removeprefix("attn.qkv.")
                for letter, part in zip("qkv", tensor.chunk(3), strict=True):
                    renamed[f"{layer}.attention.{letter}_proj.{kind}"] = part
            else:
                for old, new in _DINO_BLOCK.items():
                    name = name.replace(old, new)
                renamed[f"{layer}.{name}"] = tensor
        else:
            renamed[key] = tensor
    return renamed
