"""Metrics of latent codes: probes for the digit, active units, selectivity and sensitivity to noise."""

import torch
from torch import Tensor

from ae_utils.data.dataset import Batches, Images
from ae_utils.errors import InvalidInput
from ae_utils.protocols import Encodes

PROBE_C = 10.0


@torch.no_grad()
def codes(model: Encodes, images: Images, *, batch_size: int = 1000) -> Tensor:
    """The codes (n, latent_dim) of ``images.x``, given in [0, 1] whatever the model's pixel range."""
    model.eval()
    scaled = images.to_range(*getattr(model, "pixel_range", (0, 1)))
    return torch.cat([model.encode(batch.x, batch.label) for batch in Batches(scaled, batch_size)])


def linear_probe(
    z: Tensor, label: Tensor, test_z: Tensor, test_label: Tensor, *, count: int = 1000, draws: int = 5, seed: int = 0
) -> Tensor:
    """Accuracy on test codes of a logistic regression fitted to ``count`` labelled codes → (draws,).

    Each draw picks other codes, the same images for any code of them. Codes (n, latent_dim) are centred and divided by
    one number, so their scale does not matter but the proportions of their units do. Codes that are all equal give the
    fraction of the digit that is most frequent among the labelled ones. Alain, Bengio 2017.
    Raises ``InvalidInput`` when ``count`` exceeds the codes, codes and labels do not match, or a code is not finite.
    """
    from sklearn.linear_model import LogisticRegression

    _refuse_mismatch(z, label)
    _refuse_mismatch(test_z, test_label)
    if not isinstance(count, int) or not 0 < count <= len(z):
        raise InvalidInput(f"linear_probe expects count between 1 and {len(z)}, but got {count}.")
    accuracies = []
    for draw in range(draws):
        generator = torch.Generator().manual_seed(seed + draw)
        picked = torch.randperm(len(z), generator=generator)[:count]
        if len(label[picked].unique()) == 1:  # nothing to classify
            accuracies.append(float((test_label == label[picked[0]]).double().mean()))
            continue
        mean, scale = z[picked].mean(0), z[picked].var(0).sum().sqrt()
        scale = scale if scale > 0 else torch.ones(())  # collapsed codes: the most frequent digit is predicted
        labelled, tested = ((part - mean) / scale for part in (z[picked], test_z))
        probe = LogisticRegression(C=PROBE_C, max_iter=1000).fit(labelled.numpy(), label[picked].numpy())
        accuracies.append(probe.score(tested.numpy(), test_label.numpy()))
    return torch.tensor(accuracies)


def nearest_neighbour_accuracy(z: Tensor, label: Tensor, test_z: Tensor, test_label: Tensor, *, k: int = 5) -> float:
    """Accuracy on test codes of a vote among the ``k`` nearest codes (Euclidean distance). Cover and Hart 1967.

    Raises ``InvalidInput`` when ``k`` exceeds the codes, codes and labels do not match, or a code is not finite.
    """
    from sklearn.neighbors import KNeighborsClassifier

    _refuse_mismatch(z, label)
    _refuse_mismatch(test_z, test_label)
    if not isinstance(k, int) or not 0 < k <= len(z):
        raise InvalidInput(f"nearest_neighbour_accuracy expects k between 1 and {len(z)}, but got {k}.")
    voters = KNeighborsClassifier(k, algorithm="brute").fit(z.numpy(), label.numpy())
    return float(voters.score(test_z.numpy(), test_label.numpy()))


def active_fraction(z: Tensor, *, threshold: float = 0.0) -> float:
    """Fraction of activations whose absolute value exceeds ``threshold``, over codes (n, latent_dim)."""
    return float((z.abs() > threshold).double().mean())


def selectivity(z: Tensor, label: Tensor) -> Tensor:
    """How much each unit prefers one digit: (a - b) / (a + b), from 0 (none) to 1 (inactive for all others) → (units,).

    For activations of at least 0: ``a`` is the mean for the digit with the largest mean, ``b`` the mean over the
    other digits' means; a unit that is always 0 gets 0. Morcos et al. 2018.
    Raises ``InvalidInput`` for negative activations, and when codes and labels do not match.
    """
    _refuse_mismatch(z, label)
    if len(label.unique()) < 2:
        raise InvalidInput(f"selectivity expects codes of at least two digits, but got {len(label.unique())}.")
    if z.min() < 0:
        raise InvalidInput(f"selectivity expects activations of at least 0, but the smallest is {z.min():.3g}.")
    means = torch.stack([z[label == digit].mean(0) for digit in label.unique()])  # (digits, units)
    most = means.max(0).values
    others = (means.sum(0) - most) / (len(means) - 1)
    return (most - others) / (most + others).clamp_min(1e-12)


def sensitivity(model: Encodes, images: Images, *, noise_std: float = 0.1, seed: int = 0) -> float:
    """Mean squared change of a code under small pixel noise, over the mean squared distance between codes.

    0 for a code that ignores the noise, about 1 for one that noise changes as much as another image does. It does not
    depend on the scale of the code.
    """
    noise = torch.randn(images.x.shape, generator=torch.Generator().manual_seed(seed))
    z = codes(model, images)
    moved = codes(model, Images((images.x + noise_std * noise).clamp(0, 1), images.target, images.label)) - z
    return float(moved.square().sum(1).mean() / (2 * z.var(0).sum()))


def _refuse_mismatch(z: Tensor, label: Tensor) -> None:
    if z.ndim != 2 or not z.shape[1] or label.shape != z.shape[:1]:
        raise InvalidInput(
            f"expected codes of shape (n, units) and n labels, but got {tuple(z.shape)} and {tuple(label.shape)}."
        )
    if not z.isfinite().all():
        raise InvalidInput("expected finite codes, but some are NaN or infinite.")
