"""What a published config file leaves unsaid: guidance by release, and where its weights are.

The scales as a table: docs/how-it-works.md, "Guidance".
"""

from typing import Any

_GUIDANCE_2048 = {
    "whole": 7.0,
    "image": (0.0, 2.0),
    "mesh": (0.0, 2.0),
    "image_mesh": (0.0, 2.0),
    "image_mask": (5.0, 5.0),
    "image_mesh_mask": (5.0, 5.0),
}
_GUIDANCE_4096 = {**_GUIDANCE_2048, "image": (2.0, 2.0), "mesh": (0.0, 3.0)}
_NONCOMMERCIAL = "FAIR Noncommercial Research License"

PUBLISHED_WEIGHTS: dict[str, Any] = {
    "dit": {
        "files": ["autopartgen_dit.pth"],
        "repository": "facebook/autopartgen",
        "licence": _NONCOMMERCIAL,
    },
    "vae": {
        "files": ["autopartgen_vae.pth"],
        "repository": "facebook/autopartgen",
        "licence": _NONCOMMERCIAL,
    },
    "image_encoder": {
        "files": ["model.safetensors", "dinov2_vitl14_reg4_pretrain.pth"],
        "repository": "facebook/dinov2-with-registers-large",
        "licence": "Apache-2.0",
    },
    "background": {
        "files": ["model.safetensors", "pytorch_model.bin"],
        "repository": "briaai/RMBG-1.4",
        "licence": "BRIA RMBG-1.4 Community License (noncommercial)",
    },
}


def published_guidance(num_latents: int) -> dict[str, Any]:
    """Scales (image, geometry) by mode, and that of the whole object, of the release with this many latents."""
    return dict(_GUIDANCE_4096 if num_latents == 4096 else _GUIDANCE_2048)
