"""Residual blocks, and the parts of encoders and decoders made of them."""

from torch import Tensor, nn

from ae_utils.networks.dense import linear_bn_act


class ResidualBlock(nn.Module):
    """Two convolutions with BatchNorm and a shortcut connection around both (He, Zhang, Ren, Sun 2016).

    ``resize`` is the first convolution, which may change height, width and channels; ``shortcut`` makes the same change
    by a 1×1 convolution.
    """

    def __init__(self, resize: nn.Conv2d | nn.ConvTranspose2d, shortcut: nn.Module):
        super().__init__()
        channels = resize.out_channels
        self.main = nn.Sequential(
            resize,
            nn.BatchNorm2d(channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut, self.activation = shortcut, nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.main(x) + self.shortcut(x))


def residual_down(channels_in: int, channels: int) -> ResidualBlock:
    """A residual block that halves height and width, rounding up."""
    resize = nn.Conv2d(channels_in, channels, 3, stride=2, padding=1, bias=False)
    shortcut = nn.Conv2d(channels_in, channels, 1, stride=2, bias=False)
    return ResidualBlock(resize, nn.Sequential(shortcut, nn.BatchNorm2d(channels)))


def residual_up(channels_in: int, channels: int, side: int) -> ResidualBlock:
    """A residual block that enlarges its input to ``side`` × ``side``, from half of that rounded up."""
    resize = nn.ConvTranspose2d(channels_in, channels, 4 - side % 2, stride=2, padding=1, bias=False)
    shortcut = (nn.Upsample(size=(side, side)), nn.Conv2d(channels_in, channels, 1, bias=False))
    return ResidualBlock(resize, nn.Sequential(*shortcut, nn.BatchNorm2d(channels)))


def residual_features(width: int) -> list[nn.Module]:
    """Image → 28×28 → 14×14 → 7×7 → 4×4 by residual blocks, flattened to 64 · width features."""
    blocks = [residual_down(1, width), residual_down(width, 2 * width), residual_down(2 * width, 4 * width)]
    return [*blocks, nn.Flatten()]


def residual_decoder(latent_dim: int, width: int) -> nn.Sequential:
    """Code → 64 · width features → logits (batch, 1, 28, 28) by residual blocks."""
    return nn.Sequential(*linear_bn_act(latent_dim, 64 * width), *residual_images(width))


def residual_images(width: int) -> list[nn.Module]:
    """64 · width features as 4×4 → 7×7 → 14×14 by residual blocks → logits (batch, 1, 28, 28) by a pixel shuffle."""
    return [
        nn.Unflatten(1, (4 * width, 4, 4)),
        residual_up(4 * width, 2 * width, 7),
        residual_up(2 * width, width, 14),
        nn.Conv2d(width, 4, 3, padding=1),
        nn.PixelShuffle(2),  # 1 × 28 × 28
    ]
