"""Experiments of lesson 04: sampling from an autoencoder and a VAE, and posterior collapse."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.distributions import MultivariateNormal

from ae_utils.course.experiments.experiment import Experiment, Row
from ae_utils.data.dataset import Batches, Images
from ae_utils.data.mnist import mnist
from ae_utils.losses.vae import kl_to_prior, negative_elbo
from ae_utils.metrics.classifier import pretrained_classifier
from ae_utils.metrics.likelihood import binary, elbo
from ae_utils.metrics.samples import FrechetDistance
from ae_utils.models import VAE, VAEOutput
from ae_utils.recipes.vae import dense_vae
from ae_utils.training.loop import fit
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import GradientStep, adam

SAMPLES, COMPONENTS, FITTED = 10_000, 10, 10_000  # images per distance; the mixture, and the codes it is fitted to
LATENT_DIM, EPOCHS, RATE = 20, 6, 2e-3
SMALL, IMAGES, SHORT_RATE = 64, 15_000, 3e-3  # width, images and learning rate of the short trainings
PHASES = {"beta 1": (3, 1.0), "beta 30": (2, 30.0), "beta 1 again": (4, 1.0)}  # epochs and beta
ALIVE = 0.1  # nats: a latent dimension with less has collapsed


class PlainAutoencoder(VAE):
    """The same network without noise: z is mu, so that with beta 0 only the reconstruction is trained."""

    def forward(self, x: Tensor, label: Tensor | None = None, samples: int = 1) -> VAEOutput:
        mu, logvar = self.posterior(x)
        return VAEOutput(self.logits(mu), mu, mu, logvar)


def trained(seed: int, *, plain: bool = False) -> VAE:
    """The lesson's network, 784-400-20, as a VAE or as a plain autoencoder."""
    torch.manual_seed(seed)
    model = dense_vae(LATENT_DIM)
    if plain:
        model = PlainAutoencoder(model.encoder, model.decoder, LATENT_DIM)
    objective = partial(negative_elbo, beta=0.0 if plain else 1.0, binarize=True)
    step = GradientStep(model, objective, adam(model.parameters(), lr=RATE), schedule=one_cycle)
    fit(step, Batches(mnist("train"), 128, shuffle=True, seed=seed), epochs=EPOCHS, seed=seed)
    return model.eval()


def drawn_codes(codes: Tensor, seed: int) -> dict[str, Tensor]:
    """Codes (10,000, latent_dim) from N(0, I), and from a Gaussian and a mixture of ten that are fitted to codes."""
    torch.manual_seed(seed)
    latent_dim = codes.shape[1]
    gaussian = MultivariateNormal(codes.mean(0), torch.cov(codes.T) + 1e-6 * torch.eye(latent_dim))
    mixture = GaussianMixture(COMPONENTS, random_state=seed).fit(codes[:FITTED].double().numpy())
    return {
        "N(0, I)": torch.randn(SAMPLES, latent_dim),
        "Gaussian": gaussian.sample((SAMPLES,)),
        "mixture": torch.from_numpy(mixture.sample(SAMPLES)[0]).float()[torch.randperm(SAMPLES)],
    }


@torch.no_grad()
def sampling(seed: int, folder: Path, *, model: str) -> Iterator[Row]:
    """Fréchet distance of samples by the distribution of their codes, and of the reconstructions of test images."""
    train, test = mnist("train"), mnist("test")
    distance = FrechetDistance(pretrained_classifier(), train.x)
    with torch.enable_grad():
        network = trained(seed, plain=model == "autoencoder")
    torch.manual_seed(seed)
    codes = torch.cat([network(batch.x).z for batch in Batches(binary(train, seed=seed), 1000)])
    for name, z in drawn_codes(codes, seed).items():
        yield {"codes": name, "frechet": distance(network.decode(z))}
    yield {"codes": "encoder", "frechet": distance(network.decode(network.encode(test.x)))}


def short_training(model: VAE, seed: int, *, epochs: int, beta: float = 1.0, warmup: float = 0.0) -> VAE:
    """A short training of a model on a quarter of the images, at a constant learning rate."""
    objective = partial(negative_elbo, beta=beta, warmup=warmup, binarize=True)
    step = GradientStep(model, objective, adam(model.parameters(), lr=SHORT_RATE))
    fit(step, Batches(mnist("train")[:IMAGES], 128, shuffle=True, seed=seed), epochs=epochs, seed=seed)
    return model


@torch.no_grad()
def kl_by_dimension(model: VAE, images: Images) -> Tensor:
    """KL(q(z|x) ‖ p(z)) of each latent dimension in nats, averaged over the images → (latent_dim,)."""
    mu, logvar = model.eval().posterior(images.x)
    return torch.stack([kl_to_prior(mu[:, i : i + 1], logvar[:, i : i + 1]).mean() for i in range(mu.shape[1])])


def collapse(seed: int, folder: Path, *, warmup: float) -> Iterator[Row]:
    """How many latent dimensions are in use: at beta 1, after a time at a large beta, and back at 1."""
    test = binary(mnist("test"))
    torch.manual_seed(seed)
    model = dense_vae(LATENT_DIM, SMALL)
    for number, (phase, (epochs, beta)) in enumerate(PHASES.items()):
        ramp = warmup if phase == "beta 1 again" else 0.0
        short_training(model, seed + 100 * number, epochs=epochs, beta=beta, warmup=ramp)
        kl = kl_by_dimension(model, test)
        report = {"alive": int((kl > ALIVE).sum()), "kl": float(kl.sum())}
        yield {"phase": phase, **report, "negative_elbo": -float(elbo(model, test).double().mean())}


EXPERIMENTS = (
    Experiment(
        "lesson04-sampling",
        "How good are samples of a VAE and of the same network without noise and KL, by the distribution of the codes?",
        sampling,
        {"model": "VAE"},
        control="VAE",
        changes={"autoencoder": {"model": "autoencoder"}},
    ),
    Experiment(
        "lesson04-collapse",
        "Does a large beta empty the latent dimensions, and do they come back at beta 1, without and with warm-up?",
        collapse,
        {"warmup": 0.0},
        control="without warm-up",
        changes={"warm-up": {"warmup": 0.5}},
        seeds=(0, 1, 2, 3, 4),
    ),
)
