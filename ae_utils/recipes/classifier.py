"""The digit classifier whose features measure images."""

from functools import partial

from ae_utils.data.dataset import Images
from ae_utils.losses.classification import cross_entropy
from ae_utils.metrics.classifier import digit_classifier
from ae_utils.models import DigitClassifier
from ae_utils.recipes.base import Recipe
from ae_utils.training.schedules import one_cycle
from ae_utils.training.step import adamw


def accuracy(model: DigitClassifier, test: Images) -> dict[str, float]:
    """The fraction of test digits classified correctly."""
    error = (model.eval()(test.x).logits.argmax(1) != test.label).double().mean()
    return {"accuracy": 1 - float(error)}


RECIPES = (
    Recipe(
        "digit-classifier",
        "digit classifier whose features measure images",
        digit_classifier,
        settings={"feature_dim": 64},
        objective=partial(cross_entropy, shift=2),
        optimizer=partial(adamw, lr=5e-3, weight_decay=1e-2),
        schedule=one_cycle,
        batch_size=128,
        epochs=12,
        evaluate=accuracy,
        figures=(),
    ),
)
