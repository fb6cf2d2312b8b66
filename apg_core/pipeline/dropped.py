"""The features of no image, kept beside an encoder's weights: they are a constant, and the encoder need not run."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from apg_core.errors import WeightsMismatchError
from apg_core.presets.weights import sha256_of
from apg_core.protocol.arrays import FeatureArray

DROPPED_FILE = "dropped_features.safetensors"
_FEATURES, _ENCODER = "features", "image_encoder"


def keep_dropped(features: FeatureArray, weights: Path) -> None:
    """Write the features of no image beside the weights of the encoder that made them."""
    place = weights.with_name(DROPPED_FILE)
    save_file({_FEATURES: features}, place, metadata={_ENCODER: sha256_of(weights)})
    place.chmod(0o644)  # safetensors writes for the owner only


def kept_dropped(weights: Path) -> FeatureArray | None:
    """What `keep_dropped` wrote; None where there is nothing, or it was made with other weights than these.

    Raises:
        WeightsMismatchError: the file is damaged.
    """
    place = weights.with_name(DROPPED_FILE)
    if not place.is_file():
        return None
    try:
        with safe_open(place, "numpy") as file:
            if (file.metadata() or {}).get(_ENCODER) != sha256_of(weights):
                return None
            features: FeatureArray = file.get_tensor(_FEATURES)
            return features
    except SafetensorError as error:
        raise WeightsMismatchError(f"{place.name} cannot be read ({error}); delete it, and it is made anew") from error
