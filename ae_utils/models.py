"""Models: an encoder and a decoder put together, and what they answer."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ae_utils.arguments import SIZE, Decorator, cheap_to_read, checked_by, expects
from ae_utils.errors import InvalidInput
from ae_utils.networks import IMAGE, Affine
from ae_utils.protocols import Decodes


class Reconstruction(NamedTuple):
    """What an ``Autoencoder`` answers: ``x_hat`` (batch, 1, 28, 28) in the batch's scale, ``z`` (batch, latent_dim)."""

    x_hat: Tensor
    z: Tensor


def _takes(name: str, kind: str, shape: Callable[[Decodes], tuple[int, ...]]) -> Decorator:
    """A decorator that refuses any other ``kind`` of input with a sentence on what was expected and what came."""

    def check(method: Callable[..., object], arguments: dict[str, Any]) -> None:
        model, x = arguments["self"], arguments[name]
        wanted = shape(model)
        dtype = next((parameter.dtype for parameter in model.parameters()), x.dtype)
        if tuple(x.shape[1:]) != wanted or x.dtype != dtype:
            raise InvalidInput(
                f"{type(model).__name__} expects {kind} of shape (batch, {', '.join(map(str, wanted))}), "
                f"but got {tuple(x.shape)}{'' if x.dtype == dtype else f' as {x.dtype}, not {dtype}'}."
            )
        if len(x) == 1 and model.training and any(isinstance(layer, nn.BatchNorm1d) for layer in model.modules()):
            raise InvalidInput(
                f"{type(model).__name__} has BatchNorm, which trains on at least two {kind}, but got one; "
                "give it more, or call eval() first."
            )

    return checked_by(check)


takes_images = _takes("x", "images", lambda model: IMAGE)
takes_codes = _takes("z", "codes", lambda model: (model.latent_dim,))


class Autoencoder(nn.Module):
    """An encoder to ``latent_dim`` numbers and a decoder back (Rumelhart, Hinton, Williams 1986).

    With ``signed`` the model lives in [-1, 1]: it is trained on ``Images.signed()`` and its decoder ends in Tanh.
    The label, which other models need, is accepted and ignored.
    """

    @expects(latent_dim=SIZE)
    def __init__(self, encoder: nn.Module, decoder: nn.Module, latent_dim: int, *, signed: bool = False):
        super().__init__()
        self.encoder, self.decoder, self.latent_dim, self.signed = encoder, decoder, latent_dim, signed
        self.to_image = Affine(0.5, 0.5) if signed else nn.Hardtanh(0.0, 1.0)

    @takes_images
    def forward(self, x: Tensor, label: Tensor | None = None) -> Reconstruction:
        z = self.encoder(x)
        return Reconstruction(self.decoder(z), z)

    @takes_images
    def encode(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Images in the training scale (batch, 1, 28, 28) → codes (batch, latent_dim)."""
        return self.encoder(x)

    @takes_codes
    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Codes (batch, latent_dim) → images (batch, 1, 28, 28) in [0, 1]."""
        return self.to_image(self.decoder(z))


class VAEOutput(NamedTuple):
    """What a ``VAE`` answers: ``logits`` (batch, 1, 28, 28); ``z``, ``mu``, ``logvar`` (batch, latent_dim)."""

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

    The encoder gives ``2 * latent_dim`` numbers, mu and then logvar; the decoder gives logits, whose sigmoid is the
    image. ``forward`` draws z, in evaluation mode too: the ELBO is an expectation over z. The pictures of ``encode``
    and ``decode`` do without chance. The label, which other models need, is accepted and ignored.
    """

    @expects(latent_dim=SIZE)
    def __init__(self, encoder: nn.Module, decoder: nn.Module, latent_dim: int):
        super().__init__()
        self.encoder, self.decoder, self.latent_dim = encoder, decoder, latent_dim
        self.to_image = nn.Sigmoid()

    @takes_images
    def forward(self, x: Tensor, label: Tensor | None = None) -> VAEOutput:
        mu, logvar = self.posterior(x, label)
        z = reparameterize(mu, logvar)
        return VAEOutput(self.logits(z, label), z, mu, logvar)

    def posterior(self, x: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Images (batch, 1, 28, 28) → mu and logvar of q(z|x), each (batch, latent_dim)."""
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return mu, logvar

    def logits(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Codes (batch, latent_dim) → log-odds (batch, 1, 28, 28) that a pixel is white."""
        return self.decoder(z)

    @takes_images
    def encode(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Images (batch, 1, 28, 28) → their codes mu (batch, latent_dim): the posterior mean, nothing drawn."""
        return self.posterior(x, label)[0]

    @takes_codes
    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Codes (batch, latent_dim) → images (batch, 1, 28, 28) in [0, 1]: the probability that a pixel is white."""
        return self.to_image(self.logits(z, label))


class CVAE(VAE):
    """A VAE whose encoder and decoder are also told the label, as ten numbers of which one is 1 (Sohn et al. 2015).

    The encoder is ``body``, then ``head`` on its features and the label; the decoder works on ``cat(z, one_hot)``.
    Raises ``InvalidInput`` without labels, or for one that is no digit.
    """

    def __init__(self, body: nn.Module, head: nn.Module, decoder: nn.Module, latent_dim: int):
        super().__init__(nn.ModuleDict({"body": body, "head": head}), decoder, latent_dim)

    def posterior(self, x: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        features = torch.cat((self.encoder["body"](x), one_hot(label, len(x))), 1)  # type: ignore[index] # a ModuleDict
        mu, logvar = self.encoder["head"](features).chunk(2, dim=1)  # type: ignore[index] # a ModuleDict
        return mu, logvar

    def logits(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return self.decoder(torch.cat((z, one_hot(label, len(z))), 1))


def one_hot(label: Tensor | None, count: int) -> Tensor:
    """Labels (count,) → (count, 10) with a 1 at each label; a sentence for what is no label."""
    if label is None:
        raise InvalidInput("this model is conditional: give it a label, an int64 tensor with one digit for each image.")
    known = label.dtype == torch.int64 and label.shape == (count,)
    if known and count and cheap_to_read(label):  # on a GPU one_hot itself stops at a label out of range
        known = bool(0 <= label.min() <= label.max() <= 9)
    if not known:
        raise InvalidInput(
            f"expected {count} labels 0–9 as int64, but got {label.dtype} of shape {tuple(label.shape)}."
        )
    return nn.functional.one_hot(label, 10).float()


class Judgement(NamedTuple):
    """What a ``Judge`` answers: ``logits`` (batch, 10) and the ``features`` (batch, feature_dim) they are read from."""

    logits: Tensor
    features: Tensor


class Judge(nn.Module):
    """A digit classifier; once trained and frozen, it measures pictures that other models make."""

    def __init__(self, body: nn.Module, feature_dim: int):
        super().__init__()
        self.body, self.head = body, nn.Linear(feature_dim, 10)

    @takes_images
    def forward(self, x: Tensor, label: Tensor | None = None) -> Judgement:
        features = self.body(x)
        return Judgement(self.head(features), features)


class Generator(nn.Module):
    """Draws an image from noise: z (batch, latent_dim) from N(0, I) → images in [0, 1] (Goodfellow et al. 2014)."""

    @expects(latent_dim=SIZE)
    def __init__(self, decoder: nn.Module, latent_dim: int):
        super().__init__()
        self.decoder, self.latent_dim, self.to_image = decoder, latent_dim, nn.Sigmoid()

    @takes_codes
    def forward(self, z: Tensor) -> Tensor:
        return self.to_image(self.decoder(z))

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """The same by the name that every model has for it."""
        return self(z)


class Discriminator(nn.Module):
    """Tells real images from fake ones: (batch, 1, 28, 28) → logits (batch,), positive for "real"."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    @takes_images
    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).squeeze(1)
