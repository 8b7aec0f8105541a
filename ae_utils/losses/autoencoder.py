"""The objective of plain autoencoders."""

from torch import Tensor, nn
from torch.nn import functional as F

from ae_utils.data.dataset import Batch


def mean_squared_error(model: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
    """Squared error of x_hat against the target, averaged over images *and* pixels, as systems 2–7 were published.

    The unit is squared error per pixel in the batch's own scale: in [-1, 1] it is four times that in [0, 1].
    """
    return {"loss": F.mse_loss(model(batch.x, batch.label).x_hat, batch.target)}
