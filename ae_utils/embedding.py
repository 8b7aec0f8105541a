"""Codes of many dimensions in two or three: PCA, and t-SNE that takes all 60,000."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ae_utils.errors import InvalidInput

FEWEST = 50  # codes that can be embedded
NEIGHBOURS = 15
COMPARED = 5000


class Embedding(NamedTuple):
    """The position of each code, ``points`` (n, dims), the method, and how well neighbourhoods are preserved.

    ``trustworthiness`` (Venna and Kaski 2001) is 1 when the 15 nearest points of a map are near in code space too;
    about 0.5 for a random map. It is taken over 5,000 fixed points, placed ones included.
    """

    points: Tensor
    method: str
    trustworthiness: float

    @property
    def caption(self) -> str:
        """The method and its trustworthiness, for a figure's title."""
        return f"{self.method}; trustworthiness {self.trustworthiness:.3f}"


def embed(codes: Tensor, method: str = "t-sne", dims: int = 3, *, seed: int = 0, sample: int = 4000) -> Embedding:
    """Codes (n, latent_dim) → ``dims`` coordinates each, by ``"pca"`` or ``"t-sne"`` (van der Maaten, Hinton 2008).

    t-SNE arranges a ``sample``; every other code is placed among its nearest neighbours of the sample. Raises
    ``InvalidInput`` for another method, another number of dimensions or more of them than a code has numbers, fewer
    than 50 codes or codes that are not finite.
    """
    if method not in ("pca", "t-sne") or dims not in (2, 3):
        raise InvalidInput(f"embed expects method 'pca' or 't-sne' and dims 2 or 3, but got {method!r} and {dims}.")
    if codes.ndim != 2 or len(codes) < FEWEST or not codes.isfinite().all():
        raise InvalidInput(f"embed expects at least {FEWEST} finite codes (n, latent_dim), got {tuple(codes.shape)}.")
    if codes.shape[1] < dims:
        raise InvalidInput(
            f"embed expects codes of at least {dims} numbers for {dims} dimensions, but got {codes.shape[1]}; "
            "draw them as they are (plots.scatter_codes)."
        )
    codes = codes.detach().cpu().float()
    if method == "pca":
        points, name = _pca(codes, dims), "PCA"
    else:
        points, name = _tsne(codes, dims, seed, sample)
    return Embedding(points, f"{name}, {len(codes):,} codes", _trustworthiness(codes, points, seed))


def _pca(codes: Tensor, dims: int) -> Tensor:
    from sklearn.decomposition import PCA

    return torch.from_numpy(PCA(dims, random_state=0).fit_transform(codes.numpy()))


def _tsne(codes: Tensor, dims: int, seed: int, sample: int) -> tuple[Tensor, str]:
    from sklearn.manifold import TSNE

    chosen = _sample(len(codes), sample, seed)
    arranged = TSNE(dims, init="pca", random_state=seed, n_jobs=-1, perplexity=15).fit_transform(codes[chosen].numpy())
    points = _placed(codes, codes[chosen], torch.from_numpy(arranged))
    points[chosen] = torch.from_numpy(arranged)
    if len(chosen) == len(codes):
        return points, "t-SNE"
    return points, f"t-SNE of {len(chosen):,}, the rest placed by their neighbours"


def _placed(codes: Tensor, anchors: Tensor, arranged: Tensor, *, neighbours: int = 10) -> Tensor:
    """Each code at the mean of its nearest anchors' places, the nearer ones weighing more.

    Only those count that lie beside the nearest one on the map: the mean of two clusters is a place in neither.
    """
    places, beside = [], arranged.std(0).mean() / 2
    for part in codes.split(4000):
        near = torch.cdist(part, anchors).topk(neighbours, largest=False)
        place = arranged[near.indices]  # (n, neighbours, dims)
        counts = (place - place[:, :1]).norm(dim=2) <= beside
        weight = counts / near.values.square().clamp(min=1e-12)
        places.append((weight[:, :, None] * place).sum(1) / weight.sum(1, keepdim=True))
    return torch.cat(places)


def _sample(count: int, most: int, seed: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:most]


def _trustworthiness(codes: Tensor, points: Tensor, seed: int) -> float:
    from sklearn.manifold import trustworthiness

    compared = _sample(len(codes), COMPARED, seed + 1)
    near = min(NEIGHBOURS, len(compared) // 2 - 1)
    return float(trustworthiness(np.asarray(codes[compared]), np.asarray(points[compared]), n_neighbors=near))
