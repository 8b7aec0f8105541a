"""Systems 12 and 13: generative adversarial networks, of dense layers and of convolutions."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from ae_utils.adversarial import AdversarialStep
from ae_utils.data.images import Images
from ae_utils.metrics.distance import FrechetDistance
from ae_utils.metrics.generation import classes_reached, confident_share, judged, label_entropy, nearest_distance
from ae_utils.models import Discriminator, Generator
from ae_utils.networks import dense, dense_encoder, hidden
from ae_utils.protocols import Decodes
from ae_utils.recipes.pictures import samples
from ae_utils.recipes.recipe import Recipe
from ae_utils.training import adam, linear_decay

SAMPLES = 10_000
leaky = partial(nn.LeakyReLU, 0.2)


def dense_generator(latent_dim: int) -> Generator:
    """z → 256 → 512 → 784 with BatchNorm and ReLU. Published without widths: these train in minutes."""
    layers = (*hidden(latent_dim, 256, nn.ReLU), *hidden(256, 512, nn.ReLU), *dense((512, 784)))
    return Generator(nn.Sequential(*layers, nn.Unflatten(1, (1, 28, 28))), latent_dim)


def dense_discriminator() -> Discriminator:
    """784 → 512 → 256 → 1 with LeakyReLU; no BatchNorm, which would let one image's verdict hang on the others'."""
    return Discriminator(dense_encoder((512, 256, 1), leaky))


def conv_generator(latent_dim: int) -> Generator:
    """z → 32×7×7 → transposed convolution → 16×14×14 → convolution, pixel shuffle → 28×28 (Radford et al. 2016)."""
    layers = (
        *hidden(latent_dim, 32 * 7 * 7, nn.ReLU),
        nn.Unflatten(1, (32, 7, 7)),
        nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1, bias=False),  # 16 × 14 × 14
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 4, 3, padding=1),
        nn.PixelShuffle(2),  # 1 × 28 × 28
    )
    return Generator(nn.Sequential(*layers), latent_dim)


def conv_discriminator() -> Discriminator:
    """Two convolutions of stride 2 and two linear layers, with LeakyReLU."""
    return Discriminator(
        nn.Sequential(
            nn.Conv2d(1, 16, 4, stride=2, padding=1),  # 16 × 14 × 14
            leaky(),
            nn.Conv2d(16, 32, 4, stride=2, padding=1),  # 32 × 7 × 7
            leaky(),
            nn.Flatten(),
            *dense((32 * 7 * 7, 128, 1), leaky),
        )
    )


def adversarial_step(
    recipe: Recipe, generator: Generator, *, discriminator: Callable[[], Discriminator], rates: tuple[float, float],
    **options: Any,
) -> AdversarialStep:  # fmt: skip
    """The step of a GAN: ``rates`` are the learning rates of generator and discriminator, ``options`` the step's."""
    opponent = discriminator().to(next(generator.parameters()).device)
    optimizers = (
        adam(player.parameters(), lr=rate, betas=(0.5, 0.99))
        for player, rate in zip((generator, opponent), rates, strict=True)
    )
    return AdversarialStep(generator, opponent, *optimizers, schedule=recipe.schedule, **options)


def generation_quality(model: Decodes, test: Images) -> dict[str, float]:
    """10,000 pictures drawn from N(0, I): distance, coverage, clarity, and how far they are from the training images.

    Beside each stands the figure of the real test images. All of them use the judge that comes with the course.
    """
    from ae_utils.data.mnist import mnist
    from ae_utils.recipes.trained import trained  # it asks the catalogue, which asks this file

    judge, train = trained("judge"), mnist("train").x
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        drawn = model.decode(torch.randn(SAMPLES, model.latent_dim, generator=random))
    distance = FrechetDistance(judge, train)
    return {
        f"{name}{metric}": value
        for name, images in (("", drawn), ("real_", test.x))
        for metric, value in {
            "frechet": distance(images),
            "classes": classes_reached(judged(judge, images)),
            "label_entropy": label_entropy(judged(judge, images)),
            "confident": confident_share(judged(judge, images)),
            "nearest_distance": float(nearest_distance(images[:1000], train).median()),
        }.items()
    }


RECIPES = (
    Recipe(
        "gan",
        "generator and discriminator of dense layers",
        dense_generator,
        settings={"latent_dim": 64},
        step=partial(adversarial_step, discriminator=dense_discriminator, rates=(1e-3, 5e-4)),
        schedule=linear_decay,
        batch_size=64,
        epochs=15,
        system=12,
        evaluate=generation_quality,
        pictures=(samples,),
    ),
    Recipe(
        "gan-conv",
        "generator and discriminator of convolutions",
        conv_generator,
        settings={"latent_dim": 64},
        step=partial(adversarial_step, discriminator=conv_discriminator, rates=(3e-3, 1.5e-3)),
        schedule=linear_decay,
        batch_size=32,
        epochs=8,
        system=13,
        evaluate=generation_quality,
        pictures=(samples,),
    ),
)
