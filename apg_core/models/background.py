"""IS-Net as RMBG-1.4 has it: nested residual U-blocks that give the foreground's probability.

The architecture only; resizing, normalising and the alpha channel are in `apg_core.background`.
Attribute names are the published checkpoint's keys.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

FeatureMap = Float[Tensor, "B _ H W"]  # any number of channels


class ConvNormRelu(nn.Module):
    """A 3x3 convolution that keeps the size, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, *, dilation: int) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)
        self.bn_s1 = nn.BatchNorm2d(outputs)

    def forward(self, features: FeatureMap) -> FeatureMap:
        """Features of the same height and width."""
        return F.relu(self.bn_s1(self.conv_s1(features)), inplace=True)


class ResidualUBlock(nn.Module):
    """A small U-net with its own input added to its output: RSU-L, L levels deep.

    The way up repeats the dilations of the way down. A block that does not pool (RSU-4F) widens its view by
    dilation alone.
    """

    def __init__(self, inputs: int, middle: int, outputs: int, *, dilations: tuple[int, ...], pools: bool) -> None:
        super().__init__()
        self.depth = len(dilations)
        self.pools = pools
        self.rebnconvin = ConvNormRelu(inputs, outputs, dilation=1)
        for level, dilation in enumerate(dilations, start=1):
            width = outputs if level == 1 else middle
            self.add_module(f"rebnconv{level}", ConvNormRelu(width, middle, dilation=dilation))
        for level in range(self.depth - 1, 0, -1):
            width = outputs if level == 1 else middle
            block = ConvNormRelu(2 * middle, width, dilation=dilations[level - 1])
            self.add_module(f"rebnconv{level}d", block)

    def forward(self, features: FeatureMap) -> FeatureMap:
        """Features of the same height and width."""
        source: Tensor = self.rebnconvin(features)
        levels = [self.get_submodule("rebnconv1")(source)]
        for level in range(2, self.depth):
            shallower = _halve(levels[-1]) if self.pools else levels[-1]
            levels.append(self.get_submodule(f"rebnconv{level}")(shallower))
        deeper: Tensor = self.get_submodule(f"rebnconv{self.depth}")(levels[-1])
        for level in range(self.depth - 1, 0, -1):
            deeper = self.get_submodule(f"rebnconv{level}d")(_join(deeper, levels[level - 1]))
        return deeper + source


class BackgroundNet(nn.Module):
    """Separates an object from its background; six stages down, five up."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, 64, 3, stride=2, padding=1)
        self.stage1 = _pooling_block(64, 32, 64, depth=7)
        self.stage2 = _pooling_block(64, 32, 128, depth=6)
        self.stage3 = _pooling_block(128, 64, 256, depth=5)
        self.stage4 = _pooling_block(256, 128, 512, depth=4)
        self.stage5 = _dilated_block(512, 256, 512)
        self.stage6 = _dilated_block(512, 256, 512)
        self.stage5d = _dilated_block(1024, 256, 512)
        self.stage4d = _pooling_block(1024, 128, 256, depth=4)
        self.stage3d = _pooling_block(512, 64, 128, depth=5)
        self.stage2d = _pooling_block(256, 32, 64, depth=6)
        self.stage1d = _pooling_block(128, 16, 64, depth=7)
        self.side1 = nn.Conv2d(64, 1, 3, padding=1)
        # side2..side6 are training's deep supervision: in the checkpoint, never run here.
        for level, width in enumerate((64, 128, 256, 512, 512), start=2):
            self.add_module(f"side{level}", nn.Conv2d(width, 1, 3, padding=1))

    def forward(self, image: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1 H W"]:
        """Probability of foreground at each pixel; the image is RGB in [-0.5, 0.5].

        Trained at 1024 x 1024; any size from 64 pixels an edge runs.
        """
        level1 = self.stage1(self.conv_in(image))
        level2 = self.stage2(_halve(level1))
        level3 = self.stage3(_halve(level2))
        level4 = self.stage4(_halve(level3))
        level5 = self.stage5(_halve(level4))
        deeper = self.stage6(_halve(level5))
        deeper = self.stage5d(_join(deeper, level5))
        deeper = self.stage4d(_join(deeper, level4))
        deeper = self.stage3d(_join(deeper, level3))
        deeper = self.stage2d(_join(deeper, level2))
        deeper = self.stage1d(_join(deeper, level1))
        return torch.sigmoid(_enlarge(self.side1(deeper), like=image))


def _pooling_block(inputs: int, middle: int, outputs: int, *, depth: int) -> ResidualUBlock:
    return ResidualUBlock(inputs, middle, outputs, dilations=(1,) * (depth - 1) + (2,), pools=True)


def _dilated_block(inputs: int, middle: int, outputs: int) -> ResidualUBlock:
    return ResidualUBlock(inputs, middle, outputs, dilations=(1, 2, 4, 8), pools=False)


def _halve(features: Tensor) -> Tensor:
    return F.max_pool2d(features, 2, stride=2, ceil_mode=True)


def _enlarge(features: Tensor, *, like: Tensor) -> Tensor:
    if features.shape[-2:] == like.shape[-2:]:
        return features
    return F.interpolate(features, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _join(deeper: Tensor, shallower: Tensor) -> Tensor:
    return torch.cat([_enlarge(deeper, like=shallower), shallower], dim=1)
