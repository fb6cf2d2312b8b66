"""What a sampler computes before the first job: a step of what jobs will ask for, with the rows that theirs have."""

from dataclasses import replace

import numpy as np

from apg_core.diffusion.guidance import part_rows, whole_rows
from apg_core.pipeline.stages import Geometry, LatentRequest
from apg_core.presets import Preset
from apg_core.protocol.mode import MODES
from apg_core.protocol.options import GenerationOptions, GuidanceScales


def warm_up_requests(preset: Preset) -> list[list[LatentRequest]]:
    """For each number of rows that a generation with the preset's defaults has in a step, what has them."""
    options = preset.complete(GenerationOptions())
    nothing = np.zeros((preset.num_latents, preset.dit.latent_channels), np.float32)
    whole = LatentRequest(
        features=np.zeros((preset.image_encoder.num_tokens, preset.dit.image_width), np.float32),
        guidance=GuidanceScales(image=preset.whole_scale(options), geometry=0.0),
        seed=0,
        steps=1,
        sigma_floor=0.0,
    )
    by_rows = {(0, len(whole_rows(whole.guidance.image))): whole}
    for mode in MODES.values():
        scales = preset.part_guidance(mode, options)
        seen = "image" in mode
        rows = part_rows(scales if seen else GuidanceScales(image=0.0, geometry=scales.geometry))
        part = replace(
            whole, features=whole.features if seen else None, geometry=Geometry(nothing, nothing), guidance=scales
        )
        by_rows[1, len(rows)] = part
    return [[replace(request, seed=seed) for seed in range(options.best_of)] for request in by_rows.values()]
