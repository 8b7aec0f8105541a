"""Models: an encoder and a decoder put together, and what their ``forward`` returns."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ae_utils.networks.conditional import require_label
from ae_utils.networks.dense import Affine
from ae_utils.networks.velocity import NO_LABEL


class AutoencoderOutput(NamedTuple):
    """What an ``Autoencoder`` returns: ``x_hat`` (batch, 1, 28, 28) in the batch's scale, ``z`` (batch, latent_dim)."""

    x_hat: Tensor
    z: Tensor


class Autoencoder(nn.Module):
    """An encoder to a latent code of ``latent_dim`` numbers and a decoder back (Rumelhart, Hinton, Williams 1986).

    ``pixel_range`` is that of the images it is trained on and of ``x_hat``: (0, 1), or (-1, 1) for a decoder that ends
    in Tanh. A label, which conditional models need, is accepted and ignored.
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, latent_dim: int, *, pixel_range: tuple[float, float] = (0, 1)
    ):
        super().__init__()
        self.encoder, self.decoder, self.latent_dim, self.pixel_range = encoder, decoder, latent_dim, pixel_range
        self.output_activation = nn.Hardtanh(0.0, 1.0) if pixel_range == (0, 1) else Affine(0.5, 0.5)

    def forward(self, x: Tensor, label: Tensor | None = None) -> AutoencoderOutput:
        z = self.encoder(x)
        return AutoencoderOutput(self.decoder(z), z)

    def encode(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Images in ``pixel_range`` (batch, 1, 28, 28) → codes (batch, latent_dim)."""
        return self.encoder(x)

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Codes (batch, latent_dim) → images (batch, 1, 28, 28) in [0, 1]."""
        return self.output_activation(self.decoder(z))


class VAEOutput(NamedTuple):
    """What a ``VAE`` returns: ``logits`` (batch, 1, 28, 28); ``z``, ``mu``, ``logvar`` (batch, latent_dim)."""

    logits: Tensor
    z: Tensor
    mu: Tensor
    logvar: Tensor


def reparameterize(mu: Tensor, logvar: Tensor) -> Tensor:
    """Draw z from N(mu, exp(logvar)) so that gradients reach mu and logvar (Kingma and Welling 2014)."""
    std = torch.exp(0.5 * logvar)
    eps = torch.randn_like(std)
    return mu + std * eps


class VAE(nn.Module):
    """A variational autoencoder (Kingma and Welling 2014; Rezende, Mohamed, Wierstra 2014).

    The encoder returns ``2 * latent_dim`` numbers, mu and then logvar; the decoder returns logits, whose sigmoid is the
    image. ``forward`` draws z in evaluation mode too, because the ELBO is an expectation over z; ``encode`` and
    ``decode`` draw nothing. With ``samples`` K it encodes each image once and draws K codes: all parts of its output
    have batch * K rows, those of one image one after the other. A label, which conditional models need, is accepted
    and ignored.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, latent_dim: int):
        super().__init__()
        self.encoder, self.decoder, self.latent_dim = encoder, decoder, latent_dim
        self.output_activation = nn.Sigmoid()

    def forward(self, x: Tensor, label: Tensor | None = None, samples: int = 1) -> VAEOutput:
        mu, logvar = self.posterior(x, label)
        if samples != 1:
            mu, logvar = mu.repeat_interleave(samples, 0), logvar.repeat_interleave(samples, 0)
            label = None if label is None else label.repeat_interleave(samples, 0)
        z = reparameterize(mu, logvar)
        return VAEOutput(self.logits(z, label), z, mu, logvar)

    def posterior(self, x: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Images (batch, 1, 28, 28) → mu and logvar of the approximate posterior q(z|x), each (batch, latent_dim)."""
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return mu, logvar

    def logits(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Codes (batch, latent_dim) → log-odds (batch, 1, 28, 28) that a pixel is white."""
        return self.decoder(z)

    def encode(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Images (batch, 1, 28, 28) → the mean mu (batch, latent_dim) of the approximate posterior."""
        return self.posterior(x, label)[0]

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Codes (batch, latent_dim) → images (batch, 1, 28, 28) in [0, 1]: the probability that a pixel is white."""
        return self.output_activation(self.logits(z, label))


class PriorVAEOutput(NamedTuple):
    """What a ``PriorVAE`` returns: that of a ``VAE``, and ``log_prior`` (batch,), log p(z) of the z drawn, in nats."""

    logits: Tensor
    z: Tensor
    mu: Tensor
    logvar: Tensor
    log_prior: Tensor


class PriorVAE(VAE):
    """A VAE with a learned prior, such as ``networks.prior.FlowPrior``, in place of N(0, I) (Chen et al. 2017)."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, prior: nn.Module, latent_dim: int):
        super().__init__(encoder, decoder, latent_dim)
        self.prior = prior

    def forward(  # type: ignore[override] # an output with one part more
        self, x: Tensor, label: Tensor | None = None, samples: int = 1
    ) -> PriorVAEOutput:
        output = super().forward(x, label, samples)
        return PriorVAEOutput(*output, self.prior(output.z))


class CVAE(VAE):
    """A VAE whose encoder and decoder are conditioned on the label (Sohn, Lee, Yan 2015): both take ``(x, label)``.

    Raises ``InvalidInput`` without labels, or for one that is no digit.
    """

    def posterior(self, x: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        mu, logvar = self.encoder(x, require_label(label, len(x))).chunk(2, dim=1)
        return mu, logvar

    def logits(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return self.decoder(z, require_label(label, len(z)))


class ClassifierOutput(NamedTuple):
    """What a ``DigitClassifier`` returns: ``logits`` (batch, 10), and the ``features`` (batch, feature_dim) below."""

    logits: Tensor
    features: Tensor


class DigitClassifier(nn.Module):
    """A digit classifier: ``body`` gives ``feature_dim`` features of an image, a linear layer the logits."""

    def __init__(self, body: nn.Module, feature_dim: int):
        super().__init__()
        self.body, self.head = body, nn.Linear(feature_dim, 10)

    def forward(self, x: Tensor, label: Tensor | None = None) -> ClassifierOutput:
        features = self.body(x)
        return ClassifierOutput(self.head(features), features)


class Generator(nn.Module):
    """The generator of a GAN: z (batch, latent_dim) from N(0, I) → images in [0, 1] (Goodfellow et al. 2014)."""

    def __init__(self, decoder: nn.Module, latent_dim: int):
        super().__init__()
        self.decoder, self.latent_dim, self.output_activation = decoder, latent_dim, nn.Sigmoid()

    def forward(self, z: Tensor) -> Tensor:
        return self.output_activation(self.decoder(z))

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """``forward`` by the name that every model has for it; the label is ignored."""
        return self(z)


class Discriminator(nn.Module):
    """The discriminator of a GAN: images (batch, 1, 28, 28) → logits (batch,), positive for "real"."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).squeeze(1)


class LatentFlow(nn.Module):
    """A flow from noise to the latent codes of a frozen autoencoder, conditioned on the label (Rombach et al. 2022).

    ``velocity(z_t, t, label)`` is trained on codes that are standardized by the buffers ``mean`` and ``std``
    (latent_dim,). ``decode`` integrates it from noise in ``steps`` steps of Heun's method and decodes the code.
    ``guidance`` above 1 follows the label more strictly, for less variation (Ho and Salimans 2022).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, autoencoder: Autoencoder, velocity: nn.Module, *, steps: int = 25, guidance: float = 1.25):
        super().__init__()
        self.autoencoder, self.velocity = autoencoder.requires_grad_(False), velocity
        self.latent_dim, self.steps, self.guidance = autoencoder.latent_dim, steps, guidance
        self.register_buffer("mean", torch.zeros(self.latent_dim))
        self.register_buffer("std", torch.ones(self.latent_dim))

    def train(self, mode: bool = True) -> "LatentFlow":
        """Training mode for the velocity alone: the autoencoder's BatchNorm keeps its statistics."""
        super().train(mode)
        self.autoencoder.eval()
        return self

    def forward(self, z_t: Tensor, t: Tensor, label: Tensor) -> Tensor:
        return self.velocity(z_t, t, label)

    def standardized(self, z: Tensor) -> Tensor:
        """The autoencoder's codes (batch, latent_dim), with mean 0 and standard deviation 1 in each dimension."""
        return (z - self.mean) / self.std

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Noise (batch, latent_dim) → images (batch, 1, 28, 28) in [0, 1]; without labels of any digit."""
        return self.autoencoder.decode(self.integrate(z, label) * self.std + self.mean)

    def integrate(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Noise (batch, latent_dim) → standardized codes: the velocity integrated over t from 0 to 1."""
        length = 1 / self.steps
        for step in range(self.steps):
            first = self._guided(z, step * length, label)
            second = self._guided(z + length * first, (step + 1) * length, label)
            z = z + length * (first + second) / 2
        return z

    def _guided(self, z: Tensor, t: float, label: Tensor | None) -> Tensor:
        time = torch.full((len(z),), t, device=z.device)
        unknown = torch.full((len(z),), NO_LABEL, device=z.device)
        if label is None:
            return self(z, time, unknown)
        conditioned = self(z, time, require_label(label, len(z)))
        if self.guidance == 1:
            return conditioned
        return torch.lerp(self(z, time, unknown), conditioned, self.guidance)
