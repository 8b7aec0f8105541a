"""``diagnose``: all probes that a model, its objective and a batch suffice for."""

from torch import nn

from ae_utils.course.probes.finding import Diagnosis, Probe
from ae_utils.course.probes.model import (
    draw_of_z,
    gradient_everywhere,
    label_matters,
    one_batch_by_heart,
    output_range,
    output_shape,
)
from ae_utils.course.probes.objective import batch_average, kl_at_prior, kl_formula, kl_weight, perfect_output
from ae_utils.data.dataset import Batch
from ae_utils.training.step import Objective

PROBES: tuple[Probe, ...] = (
    output_shape,
    output_range,
    perfect_output,
    batch_average,
    kl_at_prior,
    kl_formula,
    kl_weight,
    draw_of_z,
    gradient_everywhere,
    label_matters,
    one_batch_by_heart,
)


def diagnose(model: nn.Module, objective: Objective, batch: Batch) -> Diagnosis:
    """Measure a model, trained or not, and its objective on the first 16 images of a batch; shown as a table.

    ``objective(model, batch, progress)`` returns ``{"loss": …}``; ``model(x, label)`` a ``NamedTuple`` with ``x_hat``
    or ``logits`` and, of a variational model, ``z``, ``mu``, ``logvar``. The model's weights, buffers, gradients and
    mode and the random numbers stay as they were. Raises ``InvalidInput`` for fewer than two images, or an objective
    without a scalar loss.
    """
    return Diagnosis(measure(model, objective, batch) for measure in PROBES)
