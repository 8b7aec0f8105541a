"""Does a conditional model draw what it is asked for, in more than one hand, and who carries the class: code or label?

A judge is here a function of images (n, 1, 28, 28) in [0, 1] that names their digits (n,).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ae_utils.data.images import Images
from ae_utils.errors import InvalidInput
from ae_utils.metrics.generation import judged
from ae_utils.protocols import Decodes, Module, Reconstructs

Judge = Callable[[Tensor], Tensor]
FEATURES, NEIGHBOURS = 50, 5  # of the nearest-neighbour judge


def classifier(judge: nn.Module) -> Judge:
    """The judge that a trained digit classifier is."""
    return lambda images: judged(judge, images).argmax(1)


def neighbours(real: Images) -> Judge:
    """A judge that was never trained: the five nearest of ``real`` vote, in the space of 50 principal components.

    Cover and Hart 1967. Raises ``InvalidInput`` for fewer than 50 real images.
    """
    from sklearn.decomposition import PCA
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline

    if len(real) < FEATURES:
        raise InvalidInput(f"neighbours expects at least {FEATURES} real images, but got {len(real)}.")
    voters = make_pipeline(PCA(FEATURES, random_state=0), KNeighborsClassifier(NEIGHBOURS, algorithm="brute"))
    voters.fit(real.x.flatten(1).numpy(), real.label.numpy())
    return lambda images: torch.from_numpy(voters.predict(images.flatten(1).numpy()))


def obedience(judge: Judge, images: Tensor, label: Tensor) -> float:
    """The share of images (n, 1, 28, 28) in which the judge sees the digit that was asked for (n,)."""
    return float((judge(images) == label).double().mean())


def all_digits(count: int) -> Tensor:
    """``count`` labels in which 0 to 9 take turns → (count,) int64."""
    return torch.arange(count) % 10


@torch.no_grad()
def draw(model: Decodes, label: Tensor, *, temperature: float = 1.0, seed: int = 0) -> Tensor:
    """A picture for each label (n,): its code is drawn from the prior N(0, temperature² I) → (n, 1, 28, 28)."""
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    z = temperature * torch.randn(len(label), model.latent_dim, generator=generator)
    parts = zip(z.to(_device(model)).split(1000), label.to(_device(model)).split(1000), strict=True)
    return torch.cat([model.decode(*part) for part in parts]).cpu()


def swapped(label: Tensor, *, seed: int = 0) -> Tensor:
    """For each label (n,) another one, any of the other nine equally likely."""
    generator = torch.Generator().manual_seed(seed)
    return (label + torch.randint(1, 10, label.shape, generator=generator)) % 10


@torch.no_grad()
def redraw(model: Reconstructs, images: Images, label: Tensor) -> Tensor:
    """The images' own codes, decoded with another ``label`` (n,): same hand, other digit → (n, 1, 28, 28)."""
    model.eval()
    parts = zip(*(part.to(_device(model)).split(1000) for part in (images.x, images.label, label)), strict=True)
    return torch.cat([model.decode(model.encode(x, own), asked) for x, own, asked in parts]).cpu()


def variety(images: Tensor, label: Tensor) -> float:
    """How much pictures of one digit differ: a pixel's standard deviation within a class, mean over pixels and classes.

    0 when every seven is the same seven; about .156 for real digits. Raises ``InvalidInput`` for a class of one.
    """
    if _fewest(label) < 2:
        raise InvalidInput("variety expects at least 2 pictures of every class.")
    classes = [images[label == digit] for digit in label.unique()]
    return float(torch.stack([pictures.flatten(1).std(0).mean() for pictures in classes]).mean())


def obedience_report(
    model: Reconstructs, judges: dict[str, Judge], images: Images, *, count: int = 10_000
) -> dict[str, float]:
    """Obedience of ``count`` samples and of swapped labels by each judge, its accuracy on real ones, and varieties.

    Keys: ``sampled_NAME``, ``swapped_NAME``, ``real_NAME`` for each judge; ``sampled_variety``,
    ``reconstructed_variety``, ``real_variety``, each only where every class has two pictures.
    """
    asked, other = all_digits(count), swapped(images.label)
    pictures = {"sampled": (draw(model, asked), asked), "swapped": (redraw(model, images, other), other)}
    pictures["real"] = (images.target, images.label)
    report = {
        f"{kind}_{name}": obedience(judge, *shown) for kind, shown in pictures.items() for name, judge in judges.items()
    }
    pictures["reconstructed"] = (redraw(model, images, images.label), images.label)
    shown = {kind: pictures[kind] for kind in ("sampled", "reconstructed", "real")}
    return report | {f"{kind}_variety": variety(*both) for kind, both in shown.items() if _fewest(both[1]) >= 2}


def _fewest(label: Tensor) -> int:
    """How many pictures the rarest class has that is there."""
    return int(label.unique(return_counts=True)[1].min())


def _device(model: Module) -> torch.device:
    return next(model.parameters(), torch.empty(0)).device
