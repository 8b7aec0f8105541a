"""Few images and sorted ones: every class on both sides, exactly as many as asked for, and a training that ends."""

import pytest
import torch
from torch import nn

from ae_utils.data.csv import to_csv
from ae_utils.data.dataset import Batch, Images, stratified
from ae_utils.data.mnist import mnist
from ae_utils.metrics.conditional import all_digits, conditional_report, decode_with_labels
from ae_utils.models import CVAE
from ae_utils.networks.conditional import ConcatLabel, ConditionalSequential
from ae_utils.recipes.registry import RECIPES


@pytest.fixture(scope="module")
def by_label(test, tmp_path_factory):
    """A CSV of 280 digits, sorted by label, and its images."""
    some = test[:280]
    images = some[some.label.sort(stable=True).indices]
    return to_csv(images, tmp_path_factory.mktemp("sorted") / "sorted.csv"), images


@pytest.mark.parametrize("name", ["vanilla", "deep-3d"])
def test_a_sorted_csv_has_every_class_on_both_sides(by_label, name):
    path, images = by_label
    train, test = RECIPES[name].images(path)
    assert (len(train), len(test)) == (240, 40)
    fraction = images.label.bincount() / 7
    assert ((test.label.bincount(minlength=10) - fraction).abs() < 1).all()
    both = torch.cat([train.x, test.x]).flatten(1)
    assert torch.allclose(both.sort(0).values, images.x.flatten(1).sort(0).values, atol=1e-6), "each image once"


def test_the_same_csv_is_split_the_same_way(by_label):
    torch.manual_seed(1)
    one = RECIPES["vanilla"].images(by_label[0])
    torch.manual_seed(2)
    other = RECIPES["vanilla"].images(by_label[0])
    assert all(torch.equal(a.x, b.x) for a, b in zip(one, other, strict=True))


def pixels(images):
    return {image.numpy().tobytes() for image in images.x}


@pytest.mark.parametrize("count", [1, 3, 10, 57, 240])
def test_images_are_exactly_so_many_of_the_training_images(by_label, count):
    whole = RECIPES["vanilla"].images(by_label[0])[0]
    few = RECIPES["vanilla"].images(by_label[0], count)[0]
    assert len(few) == count
    assert pixels(few) <= pixels(whole) and len(pixels(few)) == count
    if count >= 10:
        fraction = whole.label.bincount() * count / len(whole)
        assert ((few.label.bincount(minlength=10) - fraction).abs() <= 1).all()


def test_images_of_mnist_are_distinct_and_the_same_each_time():
    one, other = (RECIPES["vanilla"].images(count=600)[0] for _ in range(2))
    assert len(one.x.flatten(1).unique(dim=0)) == 600
    assert torch.equal(one.x, other.x)
    label = mnist("train").label
    assert ((one.label.bincount() - label.bincount() / 100).abs() < 1).all()


def test_a_class_of_one_image_and_more_classes_than_places_split_too():
    rare = torch.tensor([0] * 20 + [1] * 20 + [7])
    taken = stratified(rare, 10)
    assert len(taken.unique()) == 10 and set(rare[taken].tolist()) >= {0, 1}
    assert len(stratified(torch.arange(10), 4).unique()) == 4
    assert len(stratified(torch.zeros(5, dtype=torch.int64), 2).unique()) == 2


def step_of(name):
    torch.manual_seed(0)
    return RECIPES[name].step(RECIPES[name], RECIPES[name].build())


@pytest.mark.parametrize("count", [2, 3])
def test_the_last_short_batch_trains_a_conditional_model_with_its_auxiliary_classifier(test, count):
    """130 images in batches of 128 leave two: no half of them may be one, which BatchNorm cannot train on."""
    step = step_of("cvae")
    step.classifier = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.BatchNorm1d(10))
    terms = step.train(Batch(test.x[:count], test.x[:count], test.label[:count]), 0.5)
    assert all(term.isfinite() for term in terms.values())


def test_half_a_batch_is_still_half_of_it(test):
    step, seen = step_of("cvae"), []
    step.classifier = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    step.classifier.register_forward_hook(lambda classifier, given, _: seen.append(len(given[0])))
    for count in (4, 5, 128):
        step.train(Batch(test.x[:count], test.x[:count], test.label[:count]), 0.5)
    assert seen == [2, 2, 3, 3, 64, 64]


@pytest.fixture
def model():
    torch.manual_seed(0)
    encoder = ConditionalSequential(nn.Flatten(), ConcatLabel(), nn.Linear(794, 4))
    decoder = ConditionalSequential(ConcatLabel(), nn.Linear(12, 784), nn.Unflatten(1, (1, 28, 28)))
    return CVAE(encoder, decoder, 2)


def test_one_image_more_than_a_thousand_is_drawn_again_too(model):
    x, label = torch.rand(1001, 1, 28, 28), all_digits(1001)
    other = (label + 1) % 10
    with torch.no_grad():
        expected = model.decode(model.encode(x, label), other)
    assert torch.allclose(decode_with_labels(model, Images(x, x, label), other), expected, atol=1e-6)


def test_a_report_on_a_class_of_one_leaves_its_within_class_std_out(model):
    x, label = torch.rand(10, 1, 28, 28), all_digits(10)
    classifiers = {"classifier": lambda images: all_digits(len(images))}
    report = conditional_report(model, classifiers, Images(x, x, label), count=40)
    assert set(report) == {
        "sampled_classifier", "other_label_classifier", "real_classifier", "sampled_within_class_std",
    }  # fmt: skip
