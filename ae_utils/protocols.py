"""Protocols: the methods that functions call on a model, whatever its class."""

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor, nn


class Module(Protocol):
    """What every ``nn.Module`` has."""

    def eval(self) -> object: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...


class Encodes(Module, Protocol):
    """Images (n, 1, 28, 28) → codes (n, latent_dim); conditional models want the labels (n,)."""

    def encode(self, x: Tensor, label: Tensor | None = None) -> Tensor: ...


class Decodes(Module, Protocol):
    """Codes (n, latent_dim) → images (n, 1, 28, 28) in [0, 1]; conditional models want the labels (n,)."""

    @property
    def latent_dim(self) -> int: ...

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor: ...


class Reconstructs(Encodes, Decodes, Protocol):
    """Both ways: an autoencoder of whatever kind."""


class GivesPosterior(Protocol):
    """What a variational model returns: ``logits`` (n, 1, 28, 28); ``z``, ``mu``, ``logvar`` (n, latent_dim)."""

    @property
    def logits(self) -> Tensor: ...

    @property
    def z(self) -> Tensor: ...

    @property
    def mu(self) -> Tensor: ...

    @property
    def logvar(self) -> Tensor: ...


class Variational(Reconstructs, Protocol):
    """A variational autoencoder: ``posterior`` gives mu and logvar of q(z|x), ``logits`` the pixels' log-odds."""

    def __call__(self, x: Tensor, label: Tensor | None = None) -> GivesPosterior: ...

    def posterior(self, x: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]: ...

    def logits(self, z: Tensor, label: Tensor | None = None) -> Tensor: ...
