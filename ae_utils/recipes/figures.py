"""Figures that are written during a training: each function takes ``(model, test, title)``."""

import torch
from matplotlib.figure import Figure

from ae_utils import plots
from ae_utils.data.dataset import Images
from ae_utils.metrics.conditional import all_digits, draw
from ae_utils.metrics.images import reconstruct
from ae_utils.protocols import Decodes, Module, Reconstructs


def reconstructions(model: Reconstructs, test: Images, title: str) -> Figure:
    """Nine test images over their reconstructions."""
    shown = test[:9]
    x_hat = reconstruct(model, shown.to(_device(model))).cpu()
    return plots.reconstructions(shown.x, x_hat, title=title)


def samples(model: Decodes, test: Images, title: str) -> Figure:
    """Eight rows of ten samples, their codes drawn from the prior."""
    return plots.image_grid(draw(model, all_digits(80)), 10, title=title)


def _device(model: Module) -> torch.device:
    return next(model.parameters()).device
