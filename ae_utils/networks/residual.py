"""Residual blocks, and the parts of encoders and decoders made of them."""

from torch import Tensor, nn

from ae_utils.networks.dense import linear_bn_act


class ResidualBlock(nn.Module):
    """Two convolutions with BatchNorm and a shortcut connection around both (He, Zhang, Ren, Sun 2016).

    ``first`` is the first convolution, which may change height, width and channels; ``shortcut`` makes the same change.
    """

    def __init__(self, first: nn.Conv2d | nn.ConvTranspose2d, shortcut: nn.Module):
        super().__init__()
        channels = first.out_channels
        self.main = nn.Sequential(
            first,
            nn.BatchNorm2d(channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut, self.activation = shortcut, nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.main(x) + self.shortcut(x))


def residual_block(channels: int) -> ResidualBlock:
    """A residual block that keeps the shape."""
    return ResidualBlock(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.Identity())


def residual_patches(channels: int) -> ResidualBlock:
    """Image → channels × 7 × 7: patches of 6×6 pixels that overlap; in the shortcut the 4×4 pixels in their middle."""
    shortcut = nn.Conv2d(1, channels, 4, stride=4, bias=False)
    patches = nn.Conv2d(1, channels, 6, stride=4, padding=1, bias=False)
    return ResidualBlock(patches, nn.Sequential(shortcut, nn.BatchNorm2d(channels)))


def residual_features(width: int) -> list[nn.Module]:
    """Image → width × 7 × 7 by two residual blocks, flattened to 49 · width features."""
    return [residual_patches(width), residual_block(width), nn.Flatten()]


def residual_decoder(latent_dim: int, width: int) -> nn.Sequential:
    """Code → 49 · width features → logits (batch, 1, 28, 28) by residual blocks."""
    return nn.Sequential(*linear_bn_act(latent_dim, 49 * width), *residual_images(width))


def residual_images(width: int) -> list[nn.Module]:
    """49 · width features as width × 7 × 7 → two residual blocks → logits (batch, 1, 28, 28) by a pixel shuffle."""
    return [
        nn.Unflatten(1, (width, 7, 7)),
        residual_block(width),
        residual_block(width),
        nn.Conv2d(width, 16, 3, padding=1),
        nn.PixelShuffle(4),  # 1 × 28 × 28
    ]
