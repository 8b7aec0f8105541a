"""The mistakes, each in a few lines that run, as the lesson shows them; beside some, the healthy version."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ae_utils.data.dataset import Batch, Batches, Images
from ae_utils.data.noise import gaussian
from ae_utils.losses.gan import discriminator_loss, generator_loss
from ae_utils.losses.regularized import squared_error
from ae_utils.losses.vae import bernoulli, kl_to_prior
from ae_utils.models import CVAE, VAE, VAEOutput
from ae_utils.networks.dense import dense, dense_decoder, dense_encoder

Terms = dict[str, Tensor]


# --- 1 to 5: the objective and the model ------------------------------------------------------------------------------


def vae_loss(model: nn.Module, batch: Batch, progress: float) -> Terms:
    """Exhibit 1: the reconstruction is averaged over pixels, the KL summed over dimensions."""
    output = model(batch.x, batch.label)
    reconstruction = F.binary_cross_entropy_with_logits(output.logits, batch.target)
    kl = kl_to_prior(output.mu, output.logvar).mean()
    return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}


def kl_from_memory(mu: Tensor, logvar: Tensor) -> Tensor:
    """Exhibit 2: one sign is wrong."""
    return 0.5 * (mu.square() + logvar.exp() - 1 + logvar).sum(1)


def elbo_from_memory(model: nn.Module, batch: Batch, progress: float) -> Terms:
    """Minus the ELBO with that KL term."""
    output = model(batch.x, batch.label)
    reconstruction = bernoulli(output.logits, batch.target).mean()
    kl = kl_from_memory(output.mu, output.logvar).mean()
    return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}


class RewrittenVAE(VAE):
    """Exhibit 3: exp(logvar) is taken for the standard deviation."""

    def forward(self, x: Tensor, label: Tensor | None = None) -> VAEOutput:  # type: ignore[override] # one z
        mu, logvar = self.posterior(x, label)
        std = torch.exp(logvar)
        z = mu + std * torch.randn_like(std)
        return VAEOutput(self.logits(z, label), z, mu, logvar)


def small_vae(latent_dim: int, width: int, kind: type[VAE] = VAE) -> VAE:
    """784 → width → mu and logvar; z → width → 784 logits."""
    encoder = dense_encoder((width, 2 * latent_dim))
    return kind(encoder, dense_decoder((latent_dim, width), last=nn.Identity), latent_dim)


def pixel_vae(latent_dim: int, width: int) -> VAE:
    """Exhibit 4: the decoder ends in a sigmoid, and so does the loss."""
    encoder = dense_encoder((width, 2 * latent_dim))
    decoder = nn.Sequential(*dense((latent_dim, width, 784)), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28)))
    return VAE(encoder, decoder, latent_dim)


def denoising_loss(model: nn.Module, batch: Batch, progress: float) -> Terms:
    """Exhibit 5: the denoising autoencoder is compared with what it was given."""
    noisy = gaussian(batch.x)
    x_hat = model(noisy, batch.label).x_hat
    loss = squared_error(x_hat, noisy).mean()
    return {"loss": loss}


# --- 6 to 10: GAN, samples, data --------------------------------------------------------------------------------------


def loss_of_discriminator(generator: Any, discriminator: nn.Module, real: Tensor) -> Tensor:
    """The discriminator's half of a step, healthy."""
    fake = generator(torch.randn(len(real), generator.latent_dim)).detach()
    return discriminator_loss(discriminator(real), discriminator(fake))


def loss_of_generator(generator: Any, discriminator: nn.Module, real: Tensor) -> Tensor:
    """The generator's half, healthy."""
    fake = generator(torch.randn(len(real), generator.latent_dim))
    return generator_loss(discriminator(fake))


def second_half(generator: Any, discriminator: nn.Module, real: Tensor) -> Tensor:
    """Exhibit 6: detach, copied into the generator's half."""
    fake = generator(torch.randn(len(real), generator.latent_dim))
    return generator_loss(discriminator(fake.detach()))


def decoded(model: Any, z: Tensor) -> Tensor:
    """Exhibit 7: right after a training epoch, without ``model.eval()``."""
    with torch.no_grad():
        return model.decode(z)


def decoded_in_evaluation(model: Any, z: Tensor) -> Tensor:
    """The same, mended."""
    model.eval()
    with torch.no_grad():
        return model.decode(z)


class SeededBatches(Batches):
    """Exhibit 8: for the sake of reproducibility, the shuffle is seeded in every epoch."""

    def order(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        return torch.randperm(len(self.images), generator=generator)


def prepared(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Exhibit 9: the mean image of everything we have."""
    mean = torch.cat([train, test]).mean(0)
    return train - mean, test - mean


def centred(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """The same, mended."""
    mean = train.mean(0)
    return train - mean, test - mean


def slices(images: Images, size: int) -> Iterator[Batch]:
    """Exhibit 10: slices of ``size`` images; whatever is left over is the last batch."""
    for start in range(0, len(images), size):
        part = images[start : start + size]
        yield Batch(part.x, part.target, part.label)


# --- exercises --------------------------------------------------------------------------------------------------------


def lecture_elbo(model: nn.Module, batch: Batch, progress: float) -> Terms:
    """Exercise 1: a factor is missing."""
    output = model(batch.x, batch.label)
    reconstruction = bernoulli(output.logits, batch.target).mean()
    kl = (output.mu.square() + output.logvar.exp() - 1 - output.logvar).sum(1).mean()
    return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}


def kl_of_classes(model: nn.Module, batch: Batch, progress: float) -> Terms:
    """Exercise 2: the KL term is multiplied by the one-hot label, so as to log it for each class."""
    output = model(batch.x, batch.label)
    reconstruction = bernoulli(output.logits, batch.target).mean()
    variance = output.logvar.exp()
    kl = 0.5 * torch.sum(output.mu.square() + variance - 1 - output.logvar)
    by_class = kl * F.one_hot(batch.label, 10)  # (batch, 10)
    loss = reconstruction + by_class.sum(1).mean()
    return {"loss": loss, "reconstruction": reconstruction, "kl": by_class.sum(1).mean()}


def error_after_epoch(model: nn.Module, images: Images) -> float:
    """Exercise 3: called after every epoch."""
    errors = []
    with torch.no_grad():
        for batch in Batches(images, 20):
            x_hat = model(batch.x, batch.label).x_hat
            errors += (x_hat - batch.target).square().flatten(1).mean(1).tolist()
    return sum(errors) / len(errors)


def bound_of_samples(log_w: Tensor) -> Tensor:
    """Exercise 4: the importance-weighted bound, from log weights (n, K) → (n,)."""
    return log_w.mean(1)


def image_decoder(latent_dim: int, width: int, height: int, columns: int) -> nn.Sequential:
    """Exercise 5: a decoder for images of ``height`` rows and ``columns`` columns."""
    layers = dense((latent_dim, width, height * columns))
    return nn.Sequential(*layers, nn.Sigmoid(), nn.Unflatten(1, (1, columns, height)))


def flat_error(model: nn.Module, batch: Batch, progress: float) -> Terms:
    """Squared error of flattened images: it does not ask for their shape."""
    x_hat = model(batch.x, batch.label).x_hat
    return {"loss": F.mse_loss(x_hat.flatten(1), batch.target.flatten(1))}


# --- exercises, mended -----------------------------------------------------------------------------------------------


def mended_decoder(latent_dim: int, width: int, height: int, columns: int) -> nn.Sequential:
    """``image_decoder``, mended."""
    layers = dense((latent_dim, width, height * columns))
    return nn.Sequential(*layers, nn.Sigmoid(), nn.Unflatten(1, (1, height, columns)))


def mended_error(model: nn.Module, images: Images) -> float:
    """``error_after_epoch``, mended."""
    model.eval()
    return error_after_epoch(model, images)


def mended_bound(log_w: Tensor) -> Tensor:
    """``bound_of_samples``, mended."""
    return log_w.logsumexp(1) - math.log(log_w.shape[1])


# --- the storeroom: two more, without a room of their own -------------------------------------------------------------


class DeafCVAE(CVAE):
    """Insists on a label, and does not give it to the decoder."""

    def logits(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        images: Tensor = self.decoder(z)
        return images


class ListEncoder(nn.Module):
    """Keeps its layers in a Python list, where ``parameters()`` does not find them."""

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        self.layers = [nn.Flatten(), *dense(widths)]

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x
