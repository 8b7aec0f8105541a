"""System 16 on clean digits: conditional VAEs, plain and with a helper that reads what they draw."""

from collections.abc import Callable
from functools import cache, partial

import torch
from matplotlib.figure import Figure
from torch import nn

from ae_utils import plots
from ae_utils.data.images import Images
from ae_utils.data.mnist import mnist
from ae_utils.helped import HelpedStep
from ae_utils.losses.variational import negative_elbo
from ae_utils.metrics.images import reconstruction_quality
from ae_utils.metrics.obedience import Judge, all_digits, classifier, draw, neighbours, obedience_report, redraw
from ae_utils.models import CVAE
from ae_utils.networks import Conditional, strided
from ae_utils.recipes.pictures import reconstructions
from ae_utils.recipes.recipe import Recipe
from ae_utils.training import adamw, one_cycle


def conditional_vae(latent_dim: int, width: int, channels: int = 32) -> CVAE:
    """Convolutions that see the picture alone; in every linear layer the label chooses a scale and a shift."""
    body = nn.Sequential(*strided((1, 16, 32, 64), (4, 4, 3)), nn.Flatten())
    head = nn.Sequential(Conditional(64 * 4 * 4, width), nn.Linear(width + 10, 2 * latent_dim))
    decoder = nn.Sequential(
        Conditional(latent_dim, width),
        Conditional(width, channels * 7 * 7, pass_on=False),
        nn.Unflatten(1, (channels, 7, 7)),
        nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False),
        nn.PixelShuffle(2),  # channels / 2 × 14 × 14
        nn.BatchNorm2d(channels // 2),
        nn.SiLU(),
        nn.Conv2d(channels // 2, 4, 3, padding=1),
        nn.PixelShuffle(2),  # 1 × 28 × 28
    )
    return CVAE(body, head, decoder, latent_dim)


def helper_net() -> nn.Sequential:
    """A small digit classifier: two convolutions of stride 2, then logits (batch, 10)."""
    return nn.Sequential(*strided((1, 12, 24), (5, 3), nn.ReLU), nn.Flatten(), nn.Linear(24 * 7 * 7, 10))


def helped_step(recipe: Recipe, model: nn.Module, *, net: Callable[[], nn.Module] = helper_net) -> HelpedStep:
    """The recipe's own objective and optimizer, and a helper with an optimizer of the same kind."""
    helper = net().to(next(model.parameters()).device)
    optimizers = (recipe.optimizer(player.parameters()) for player in (model, helper))
    return HelpedStep(model, helper, recipe.objective, *optimizers, schedule=recipe.schedule)


@cache
def judges() -> dict[str, Judge]:
    """The two that say which digit is drawn: the frozen convolutional judge, and nearest neighbours."""
    from ae_utils.recipes.trained import trained  # which knows all recipes, these too

    return {"judge": classifier(trained("judge")), "neighbours": neighbours(mnist("train"))}


def conditional_quality(model: CVAE, test: Images) -> dict[str, float]:
    """Whether 10,000 samples, and swapped labels, are read as asked for, by both judges; variety; reconstructions."""
    return obedience_report(model, judges(), test) | reconstruction_quality(model, test)


def digits_asked_for(model: CVAE, test: Images, title: str) -> Figure:
    """Eight rows of samples, a column for each digit asked for."""
    return plots.image_grid(draw(model, all_digits(80)), 10, title=title)


def same_code_ten_labels(model: CVAE, test: Images, title: str) -> Figure:
    """The codes of eight test images, one a row, each decoded with all ten labels."""
    shown = test[torch.arange(8).repeat_interleave(10)]
    return plots.image_grid(redraw(model, shown, all_digits(80)), 10, title=title)


conditional = partial(
    Recipe,
    model=conditional_vae,
    settings={"latent_dim": 8, "width": 256},
    optimizer=partial(adamw, lr=5e-3, weight_decay=0.0),
    schedule=one_cycle,
    batch_size=128,
    epochs=6,
    system=16,
    evaluate=conditional_quality,
    pictures=(reconstructions, digits_asked_for, same_code_ten_labels),
)

RECIPES = (
    conditional(
        "cvae-plain",
        "told the label in every layer: draws the digit that is asked for",
        objective=partial(negative_elbo, beta=4.0),
    ),
    conditional(
        "cvae",
        "the same with a helper that reads what it draws",
        objective=partial(negative_elbo, beta=2.5),
        step=helped_step,
    ),
)
