"""The experiments of lesson 07: a seed draws the same images for every variant, and rows hold what was measured."""

from types import SimpleNamespace

import pytest
import torch

from ae_utils.course.experiments import lesson07
from ae_utils.data.dataset import Batches

SETTINGS = {"images": 60, "epochs": 1, "batch_size": 30}


@pytest.fixture
def trained_on(monkeypatch, train, test):
    """The images of each training, in place of MNIST's 60,000 a few."""
    seen = []

    def noted(images, *arguments, **options):
        seen.append(images.x)
        return Batches(images, *arguments, **options)

    few = {"train": train, "test": test[:50]}
    monkeypatch.setattr(lesson07, "IMAGES", len(train))
    monkeypatch.setattr(lesson07, "mnist_once", few.__getitem__)
    monkeypatch.setattr(lesson07, "Batches", noted)
    return seen


def test_a_seed_draws_the_same_images_for_both_rates_and_another_seed_others(trained_on, tmp_path):
    rows = [
        list(lesson07.few_images(seed, tmp_path, lr=lr, **SETTINGS)) for seed, lr in ((0, 0.01), (0, 0.02), (1, 0.01))
    ]
    assert torch.equal(trained_on[0], trained_on[1]) and not torch.equal(trained_on[0], trained_on[2])
    assert len({row[0]["mse"] for row in rows}) == 3 and all(len(row) == 1 for row in rows)


def test_a_recipe_is_measured_as_on_the_scoreboard(monkeypatch, trained_on, train, test, tmp_path):
    context = SimpleNamespace(
        train=train, test=test[:50], train_subset=train[:100], labels=test.label[:20], frechet=lambda x: len(x) / 2
    )
    monkeypatch.setattr(lesson07, "context", lambda: context)
    (row,) = lesson07.recipes(0, tmp_path, recipe="linear-3d-fast", images=300)
    assert len(trained_on[0]) == 300
    assert row["frechet_samples"] == 10 and 0.02 < row["mse"] < 0.3


def test_both_experiments_have_five_seeds_and_two_variants():
    for experiment in lesson07.EXPERIMENTS:
        assert experiment.seeds == (0, 1, 2, 3, 4) and len(experiment.variants()) == 2
