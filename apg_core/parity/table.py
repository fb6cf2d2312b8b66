"""Every case that a parity folder may have, with its settings; tests/data/parity/README.md says what they are."""

from apg_core.parity.case import END_TO_END, EXACT, PIXELS, SINGLE_PASS, TRAJECTORY, Case
from apg_core.parity.end_to_end import MASK, PartOfPicture, PreparedPicture, WholeOfPicture, picture_features
from apg_core.parity.single_pass import (
    Denoised,
    FarthestPoints,
    field,
    image_features,
    nothing_mean,
    scaled_surface_mean,
    surface_log_variance,
    surface_mean,
)
from apg_core.parity.trajectories import PartTrajectory, WholeTrajectory
from apg_core.protocol.options import GuidanceScales

GEOMETRY_ONLY, BOTH, STRONG = GuidanceScales(0, 2), GuidanceScales(3, 1.5), GuidanceScales(5, 5)
SOFT, SOFT_MASK = "input_soft.png", "input_soft_mask.png"

CASES = (
    Case("dino.out.features", image_features, SINGLE_PASS),
    Case("vae.out.mean", surface_mean, SINGLE_PASS),
    Case("vae.out.logvar", surface_log_variance, SINGLE_PASS),
    Case("vae.out.zero_surface_mean", nothing_mean, SINGLE_PASS),
    Case("vae.out.field", field, SINGLE_PASS),
    Case("dit.out.pred", Denoised(), SINGLE_PASS),
    Case("dit.out.pred_sigma", Denoised(sigma=True), SINGLE_PASS),
    Case("dit.out.pred_whole", Denoised(slots=1), SINGLE_PASS),
    Case("fps.out.indices_start5_k100", FarthestPoints(start=5, count=100), EXACT),
    *(
        Case(f"sample.out.part.steps{steps}.{words}.seed11", PartTrajectory(scales, steps=steps, seed=11), TRAJECTORY)
        for steps in (8, 50)
        for words, scales in (
            ("image0.geometry2", GEOMETRY_ONLY),
            ("image3.geometry1.5", BOTH),
            ("image5.geometry5", STRONG),
        )
    ),
    *(
        Case(f"sample.out.whole.steps{steps}.cfg7.seed5", WholeTrajectory(guidance=7, steps=steps, seed=5), TRAJECTORY)
        for steps in (8, 50)
    ),
    Case("e2e.out.prepared_image", PreparedPicture(), PIXELS),
    *(Case(f"mask.out.prepared.{i}", PreparedPicture(mask=MASK, region=i), PIXELS) for i in range(4)),
    *(Case(f"prep.out.soft_masked.{i}", PreparedPicture(SOFT, SOFT_MASK, i), PIXELS) for i in range(3)),
    Case("prep.out.soft", PreparedPicture(SOFT), PIXELS),
    Case("e2e.out.features", picture_features, END_TO_END),
    Case("e2e.out.history_scaled", scaled_surface_mean, END_TO_END),
    Case("e2e.out.whole_scaled.seed3.steps10", WholeOfPicture(), END_TO_END),
    Case(
        "e2e.out.part0.seed3.steps10",
        PartOfPicture(GEOMETRY_ONLY, seed=3, first=True),
        END_TO_END,
    ),
    Case(
        "e2e.out.part1.image3.geometry1.5.seed4.steps10",
        PartOfPicture(BOTH, seed=4),
        END_TO_END,
    ),
    Case(
        "e2e.out.part1.sigma0.25.image0.geometry2.seed4.steps10",
        PartOfPicture(GEOMETRY_ONLY, seed=4, history_sigma=0.25),
        END_TO_END,
    ),
    Case(
        "e2e.out.part1.sigma_floor1.5.image0.geometry2.seed4.steps10",
        PartOfPicture(GEOMETRY_ONLY, seed=4, sigma_floor=1.5),
        END_TO_END,
    ),
    Case(
        "e2e.out.masked1.image5.geometry5.seed4.steps10",
        PartOfPicture(STRONG, seed=4, region=1),
        END_TO_END,
    ),
)
