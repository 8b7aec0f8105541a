"""What codes are worth: whether a simple reader finds the digit in them, how many units speak, how calm they are."""

import torch
from torch import Tensor

from ae_utils.data.images import Batches, Images
from ae_utils.errors import InvalidInput
from ae_utils.protocols import Encodes

PROBE_C = 10.0


@torch.no_grad()
def codes(model: Encodes, images: Images, *, batch_size: int = 1000) -> Tensor:
    """The codes (n, latent_dim) of ``images.x``, which lie in [0, 1] whatever scale the model lives in."""
    model.eval()
    given = images.signed() if getattr(model, "signed", False) else images
    return torch.cat([model.encode(batch.x, batch.label) for batch in Batches(given, batch_size)])


def linear_probe(
    z: Tensor, label: Tensor, test_z: Tensor, test_label: Tensor, *, count: int = 1000, draws: int = 5, seed: int = 0
) -> Tensor:
    """Share of test digits that a logistic regression recognises after ``count`` labelled codes → (draws,).

    Each draw picks other labels, the same ones for any code of the same images. Codes (n, latent_dim) are centred and
    divided by one number, so their scale does not matter but the proportions of their units do. Codes that are all
    equal give the share of the digit that is most frequent among the labelled. Alain, Bengio 2017.
    Raises ``InvalidInput`` when ``count`` exceeds the codes, codes and labels do not match, or a code is not finite.
    """
    from sklearn.linear_model import LogisticRegression

    _refuse_mismatch(z, label)
    _refuse_mismatch(test_z, test_label)
    if not isinstance(count, int) or not 0 < count <= len(z):
        raise InvalidInput(f"linear_probe expects count between 1 and {len(z)}, but got {count}.")
    shares = []
    for draw in range(draws):
        generator = torch.Generator().manual_seed(seed + draw)
        picked = torch.randperm(len(z), generator=generator)[:count]
        if len(label[picked].unique()) == 1:  # nothing to tell apart
            shares.append(float((test_label == label[picked[0]]).double().mean()))
            continue
        mean, scale = z[picked].mean(0), z[picked].var(0).sum().sqrt()
        scale = scale if scale > 0 else torch.ones(())  # collapsed codes: the most frequent digit is the answer
        given, asked = ((part - mean) / scale for part in (z[picked], test_z))
        probe = LogisticRegression(C=PROBE_C, max_iter=1000).fit(given.numpy(), label[picked].numpy())
        shares.append(probe.score(asked.numpy(), test_label.numpy()))
    return torch.tensor(shares)


def nearest_neighbours(z: Tensor, label: Tensor, test_z: Tensor, test_label: Tensor, *, k: int = 5) -> float:
    """Share of test digits that the ``k`` nearest codes vote for (Euclidean distance). Cover and Hart 1967.

    Raises ``InvalidInput`` when ``k`` exceeds the codes, codes and labels do not match, or a code is not finite.
    """
    from sklearn.neighbors import KNeighborsClassifier

    _refuse_mismatch(z, label)
    _refuse_mismatch(test_z, test_label)
    if not isinstance(k, int) or not 0 < k <= len(z):
        raise InvalidInput(f"nearest_neighbours expects k between 1 and {len(z)}, but got {k}.")
    voters = KNeighborsClassifier(k, algorithm="brute").fit(z.numpy(), label.numpy())
    return float(voters.score(test_z.numpy(), test_label.numpy()))


def active_share(z: Tensor, *, threshold: float = 0.0) -> float:
    """Share of units with an absolute activation above ``threshold``, over codes (n, latent_dim)."""
    return float((z.abs() > threshold).double().mean())


def selectivity(z: Tensor, label: Tensor) -> Tensor:
    """How much each unit prefers one digit: (a - b) / (a + b), from 0 (none) to 1 (silent for all others) → (units,).

    For activations of at least 0: ``a`` is the mean for the digit that excites the unit most, ``b`` the mean over the
    other digits' means; a unit that is always silent gets 0. Morcos et al. 2018.
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
    """How far small noise on the pixels moves a code, against how far codes lie apart: a ratio of mean squares.

    0 for a code that ignores the noise, about 1 for one in which noise counts as much as another image does. No
    shrinking of the code can lower it.
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
