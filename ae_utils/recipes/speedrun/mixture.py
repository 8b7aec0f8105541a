"""A mixture of Gaussians over the codes of each digit: a generative model that is fitted without gradients."""

import torch
from torch import Tensor, nn

from ae_utils.data.dataset import Images
from ae_utils.errors import InvalidInput
from ae_utils.metrics.latent import codes
from ae_utils.models import Autoencoder
from ae_utils.networks.conditional import LABELS, require_label

JITTER = 1e-4  # added to variances, so that a dimension in which a cluster does not vary has one


class LatentMixture(nn.Module):
    """For each label a mixture of ``components`` Gaussians over the codes of a frozen autoencoder.

    ``decode`` takes noise of ``latent_dim`` numbers, one more than a code has: the last one chooses the component,
    by its place in the normal distribution, the others become a code of that component. ``temperature`` scales the
    standard deviations: below 1 samples are more typical of their component and less varied.
    """

    means: Tensor
    factors: Tensor
    cumulative: Tensor

    def __init__(self, autoencoder: Autoencoder, components: int, *, temperature: float = 1.0):
        super().__init__()
        size = autoencoder.latent_dim
        self.autoencoder, self.latent_dim = autoencoder.requires_grad_(False), size + 1
        self.temperature = temperature
        self.register_buffer("means", torch.zeros(LABELS, components, size))
        self.register_buffer("factors", torch.zeros(LABELS, components, size, size))
        self.register_buffer("cumulative", torch.ones(LABELS, components))

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Noise (batch, latent_dim) → images (batch, 1, 28, 28) in [0, 1]; raises ``InvalidInput`` without labels."""
        return self.autoencoder.decode(self.codes(z, require_label(label, len(z))))

    def codes(self, noise: Tensor, label: Tensor) -> Tensor:
        """Noise (batch, latent_dim) and labels (batch,) → codes (batch, latent_dim - 1)."""
        place = torch.special.ndtr(noise[:, -1:])
        component = (place > self.cumulative[label]).sum(1).clamp(max=self.means.shape[1] - 1)
        within = torch.einsum("nij,nj->ni", self.factors[label, component], noise[:, :-1])
        return self.means[label, component] + self.temperature * within


def fit_mixture(model: LatentMixture, train: Images) -> None:
    """Fit the mixture of each label to the codes of ``train``: one Gaussian per cluster of k-means (Lloyd 1982).

    That is one step of the EM algorithm with hard assignments. Raises ``InvalidInput`` for a label with fewer images
    than there are components.
    """
    z, components = codes(model.autoencoder, train), model.means.shape[1]
    for label in range(LABELS):
        own = z[train.label == label]
        if len(own) < components:
            raise InvalidInput(f"fit_mixture expects {components} images of every label, but {label} has {len(own)}.")
        cluster = _clusters(own, components)
        counts = cluster.bincount(minlength=components).clamp(min=1)
        for component in range(components):
            mean, factor = _gaussian(own[cluster == component])
            model.means[label, component], model.factors[label, component] = mean, factor
        model.cumulative[label] = counts.cumsum(0) / counts.sum()


def _clusters(z: Tensor, count: int) -> Tensor:
    """The cluster of each code (n, size), by ten rounds of k-means → (n,)."""
    from sklearn.cluster import KMeans

    return torch.from_numpy(KMeans(count, n_init=1, max_iter=10, random_state=0).fit_predict(z.numpy())).long()


def _gaussian(z: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (size,) and Cholesky factor of the covariance (size, size) of codes (n, size)."""
    centred = z - z.mean(0)
    covariance = centred.T @ centred / max(1, len(z) - 1) + JITTER * torch.eye(z.shape[1])
    return z.mean(0), torch.linalg.cholesky(covariance)
