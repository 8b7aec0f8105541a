"""The frozen digit classifier that measures images, and a nearest-neighbour classifier as a second opinion."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ae_utils.data.dataset import Images
from ae_utils.data.weights import frozen_model
from ae_utils.errors import InvalidInput
from ae_utils.models import DigitClassifier
from ae_utils.networks.convolutional import conv_bn_act
from ae_utils.networks.dense import linear_bn_act

Classify = Callable[[Tensor], Tensor]  # images (n, 1, 28, 28) in [0, 1] → digits (n,)
COMPONENTS, NEIGHBOURS = 50, 5  # of the nearest-neighbour classifier


def digit_classifier(feature_dim: int) -> DigitClassifier:
    """Three convolutions of stride 2, ``feature_dim`` features and a linear layer to the ten classes; untrained."""
    convolutions = conv_bn_act((1, 16, 32, 64), (5, 3, 3), nn.ReLU)
    features = linear_bn_act(64 * 4 * 4, feature_dim, nn.ReLU)
    return DigitClassifier(nn.Sequential(*convolutions, nn.Flatten(), nn.Dropout(0.2), *features), feature_dim)


def pretrained_classifier() -> DigitClassifier:
    """The frozen digit classifier that comes with the course; every Fréchet distance is in its features.

    Raises ``CheckpointError`` when its weights are missing or damaged.
    """
    return frozen_model("digit-classifier", digit_classifier)


@torch.no_grad()
def features(classifier: nn.Module, images: Tensor, *, batch_size: int = 1000) -> Tensor:
    """A classifier's features of images (n, 1, 28, 28) in [0, 1], in float64 → (n, feature_dim)."""
    classifier.eval()
    return torch.cat([classifier(part).features.double() for part in images.split(batch_size)])


@torch.no_grad()
def class_probabilities(classifier: nn.Module, images: Tensor, *, batch_size: int = 1000) -> Tensor:
    """A classifier's class probabilities for images (n, 1, 28, 28) in [0, 1] → (n, 10)."""
    classifier.eval()
    return torch.cat([classifier(part).logits.softmax(1) for part in images.split(batch_size)])


def classify_with(classifier: nn.Module) -> Classify:
    """The function images → most probable digits of a trained classifier."""
    return lambda images: class_probabilities(classifier, images).argmax(1)


def nearest_neighbour_classifier(real: Images) -> Classify:
    """A majority vote of the five nearest of ``real``, in the space of their first 50 principal components.

    Nothing is trained, so it shares no weakness with a network. Cover and Hart 1967. Raises ``InvalidInput`` for fewer
    than 50 real images.
    """
    from sklearn.decomposition import PCA
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline

    if len(real) < COMPONENTS:
        raise InvalidInput(
            f"nearest_neighbour_classifier expects at least {COMPONENTS} real images, but got {len(real)}."
        )
    fitted = make_pipeline(PCA(COMPONENTS, random_state=0), KNeighborsClassifier(NEIGHBOURS, algorithm="brute"))
    fitted.fit(real.x.flatten(1).numpy(), real.label.numpy())
    return lambda images: torch.from_numpy(fitted.predict(images.flatten(1).numpy()))
