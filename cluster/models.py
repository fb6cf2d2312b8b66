"""Which networks the actors of a batch load."""

from dataclasses import dataclass
from pathlib import Path

from apg_core.pipeline.loading import ModelLoader, pick_device
from apg_core.presets import load_preset
from apg_core.presets.preset import PrecisionChoice


@dataclass(frozen=True, kw_only=True)
class Models:
    """Which networks to load, and where they run."""

    preset: str
    device: str | None = None
    checkpoints: Path
    precision: PrecisionChoice = "auto"
    exact: bool | None = None
    """Whether objects that share steps change no bit of each other; None: on a CPU."""

    def loader(self) -> ModelLoader:
        """A loader of the preset's networks on this process's device."""
        return ModelLoader(
            load_preset(self.preset),
            device=pick_device(self.device),
            checkpoints=(self.checkpoints,),
            precision=self.precision,
        )
