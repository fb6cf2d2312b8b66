"""Small trained networks that say which pieces of a solid belong together; numpy alone runs them.

They see what `relations.py` measures and nothing else, so they serve whatever weights sampled the parts. How they are
trained: `training/train_grouping.py`.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float
from safetensors.numpy import load_file

from apg_core.geometry.parts.relations import Relations

WEIGHTS = Path(__file__).with_name("together.safetensors")
OUTLIER = 5.0
"""Standard deviations beyond which a measure says no more."""

Weights = Mapping[str, np.ndarray]


@cache
def shipped_weights() -> Weights:
    """The weights that come with the library, in fp32."""
    return {name: value.astype(np.float32) for name, value in load_file(WEIGHTS).items()}


def log_odds(relations: Relations, weights: Weights | None = None) -> Float[np.ndarray, "K K"]:
    """Log odds that two pieces are of one part, as the networks say on average; the diagonal means nothing."""
    every = shipped_weights() if weights is None else weights
    networks = sorted({name.split(".", 1)[0] for name in every})
    return np.mean([_one(relations, _Layers(every, f"{network}.")) for network in networks], axis=0)


def _one(relations: Relations, w: "_Layers") -> Float[np.ndarray, "K K"]:
    h = w.linear("enter", w.standard("alone", relations.alone))
    e = w.linear("enter_pair", w.standard("pairs", relations.pairs))
    for layer in range(w.depth):
        h, e = w.layer(f"layers.{layer}.", h, e)
    x = w.norm("end_norm", e + e.transpose(1, 0, 2))
    odds: Float[np.ndarray, "K K"] = w.linear("end_out", _silu(w.linear("end_in", x)))[..., 0].astype(np.float64)
    return odds


class _Layers:
    """One network's layers under the names of its weights."""

    def __init__(self, weights: Weights, prefix: str) -> None:
        self._weights = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        self.depth = 1 + max(int(name.split(".")[1]) for name in self._weights if name.startswith("layers."))

    def standard(self, name: str, values: np.ndarray) -> np.ndarray:
        mean, scale = self._weights[f"{name}_mean"], self._weights[f"{name}_scale"]
        return np.clip((values.astype(np.float32) - mean) / scale, -OUTLIER, OUTLIER)

    def linear(self, name: str, x: np.ndarray) -> np.ndarray:
        out: np.ndarray = x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return out

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        x = x - x.mean(axis=-1, keepdims=True)
        x = x / np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + 1e-5)
        out: np.ndarray = x * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return out

    def layer(self, at: str, h: np.ndarray, e: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pairs hear of their pieces and of third ones, then pieces of each other by what their pairs say."""
        count = len(h)
        x = self.norm(at + "pair_norm", e) + self.linear(at + "left", h)[:, None] + self.linear(at + "right", h)[None]
        e = e + self.linear(at + "pair_out", _silu(self.linear(at + "pair_in", x)))
        x = self.norm(at + "third_norm", e)
        first, second = self.linear(at + "first", x), _sigmoid(self.linear(at + "second", x))
        third = np.einsum("ikc,jkc->ijc", first, second, optimize=True)
        e = e + self.linear(at + "third_out", third / np.sqrt(np.float32(count)))
        said = self.norm(at + "said_norm", e)
        heed = self.linear(at + "heed", said)
        weight = np.exp(heed - heed.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        values = self.linear(at + "value", self.norm(at + "norm", h))[None] + self.linear(at + "said", said)
        values = values.reshape(count, count, weight.shape[-1], -1)
        heard = np.einsum("ijh,ijhc->ihc", weight, values, optimize=True).reshape(count, -1)
        h = h + self.linear(at + "heard", heard)
        inner = _silu(self.linear(at + "inner_in", self.norm(at + "inner_norm", h)))
        return h + self.linear(at + "inner_out", inner), e


def _sigmoid(x: np.ndarray) -> np.ndarray:
    out: np.ndarray = 1 / (1 + np.exp(-x))
    return out


def _silu(x: np.ndarray) -> np.ndarray:
    return x * _sigmoid(x)
