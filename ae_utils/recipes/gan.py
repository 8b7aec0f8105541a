"""Systems 12 and 13: generative adversarial networks, of dense layers and of convolutions."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import nn

from ae_utils.data.dataset import Images
from ae_utils.data.mnist import mnist
from ae_utils.metrics.classifier import class_probabilities, pretrained_classifier
from ae_utils.metrics.samples import (
    FrechetDistance,
    classes_reached,
    confident_fraction,
    label_entropy,
    nearest_distance,
)
from ae_utils.models import Discriminator, Generator
from ae_utils.networks.dense import dense, dense_encoder, linear_bn_act
from ae_utils.networks.mixture import MixtureComponent
from ae_utils.protocols import Decodes
from ae_utils.recipes.base import Recipe
from ae_utils.recipes.figures import samples
from ae_utils.training.gan import AdversarialStep
from ae_utils.training.schedules import linear_decay
from ae_utils.training.step import adam

SAMPLES = 10_000
leaky = partial(nn.LeakyReLU, 0.2)


def dense_generator(latent_dim: int) -> Generator:
    """z → 256 → 512 → 784 with BatchNorm and ReLU. Published without widths; these train in minutes."""
    layers = (*linear_bn_act(latent_dim, 256, nn.ReLU), *linear_bn_act(256, 512, nn.ReLU), *dense((512, 784)))
    return Generator(nn.Sequential(*layers, nn.Unflatten(1, (1, 28, 28))), latent_dim)


def dense_discriminator() -> Discriminator:
    """784 → 512 → 256 → 1 with LeakyReLU; no BatchNorm, which would make an image's logit depend on the others."""
    return Discriminator(dense_encoder((512, 256, 1), leaky))


def conv_generator(latent_dim: int) -> Generator:
    """z → 32×7×7 → transposed convolution → 16×14×14 → convolution, pixel shuffle → 28×28 (Radford et al. 2016)."""
    layers = (
        *linear_bn_act(latent_dim, 32 * 7 * 7, nn.ReLU),
        nn.Unflatten(1, (32, 7, 7)),
        nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1, bias=False),  # 16 × 14 × 14
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 4, 3, padding=1),
        nn.PixelShuffle(2),  # 1 × 28 × 28
    )
    return Generator(nn.Sequential(*layers), latent_dim)


def mixture_generator(latent_dim: int, components: int) -> Generator:
    """``conv_generator`` with a mixture of so many components in place of N(0, I)."""
    layers = conv_generator(latent_dim + components).decoder
    return Generator(nn.Sequential(MixtureComponent(components), *cast(nn.Sequential, layers)), latent_dim)


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
    """The step of a GAN with learning ``rates`` of generator and discriminator; ``options`` are the step's."""
    critic = discriminator().to(next(generator.parameters()).device)
    optimizers = (
        adam(network.parameters(), lr=rate, betas=(0.5, 0.99))
        for network, rate in zip((generator, critic), rates, strict=True)
    )
    return AdversarialStep(generator, critic, *optimizers, schedule=recipe.schedule, **options)


def generation_quality(model: Decodes, test: Images) -> dict[str, float]:
    """Of 10,000 samples: Fréchet distance, digits reached, label entropy, confidence, distance to training images.

    The same of the real test images is reported with the prefix ``real_``. All but the last use the digit classifier
    that comes with the course.
    """
    classifier, train = pretrained_classifier(), mnist("train").x
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        drawn = model.decode(torch.randn(SAMPLES, model.latent_dim, generator=random))
    distance = FrechetDistance(classifier, train)
    return {
        f"{name}{metric}": value
        for name, images in (("", drawn), ("real_", test.x))
        for metric, value in {
            "frechet": distance(images),
            "classes": classes_reached(class_probabilities(classifier, images)),
            "label_entropy": label_entropy(class_probabilities(classifier, images)),
            "confident_fraction": confident_fraction(class_probabilities(classifier, images)),
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
        prior=True,
        evaluate=generation_quality,
        figures=(samples,),
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
        prior=True,
        evaluate=generation_quality,
        figures=(samples,),
    ),
    Recipe(
        "gan-mixture",
        "gan-conv with a mixture of 16 components as its noise",
        mixture_generator,
        settings={"latent_dim": 64, "components": 16},
        step=partial(adversarial_step, discriminator=conv_discriminator, rates=(3e-3, 1.5e-3)),
        schedule=linear_decay,
        batch_size=32,
        epochs=8,
        prior=True,
        evaluate=generation_quality,
        figures=(samples,),
    ),
)
