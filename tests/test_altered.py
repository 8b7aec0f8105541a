"""Altered MNIST: made by seed, written as folders, read and paired again; and the networks that restore it."""

import shutil

import pytest
import torch
from PIL import Image
from torch import nn

from ae_utils.data.altered import ALTERATIONS, altered, occlusion, rotation, shift
from ae_utils.data.folders import paired, pairs_recovered, read_folders, write_folders
from ae_utils.errors import InvalidInput
from ae_utils.networks.conditional import ConditionalLinear
from ae_utils.networks.residual import residual_block, residual_features, residual_images
from ae_utils.recipes.registry import RECIPES

MILD = ("shift", "scale", "shear", "thinning", "noise", "specks")


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_every_alteration_changes_digits_and_keeps_them_images(test, kind):
    made = altered(test, kinds=(kind,), seed=3)
    assert made.images.x.shape == test.x.shape
    assert made.images.x.min() >= 0 and made.images.x.max() <= 1
    changed = (made.images.x - test.x).abs().flatten(1).amax(1) > 0.05
    assert changed.double().mean() > 0.9
    assert torch.equal(made.images.target, test.x)


def test_same_seed_same_set_and_the_global_generator_is_left_alone(test):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    one, two, other = altered(test, seed=1), altered(test, seed=1), altered(test, seed=2)
    assert torch.equal(one.images.x, two.images.x)
    assert not torch.equal(one.images.x, other.images.x)
    assert torch.equal(torch.get_rng_state(), before)


def test_versions_know_their_source(test):
    made = altered(test, versions=3)
    assert made.source.bincount().unique().tolist() == [3]
    assert torch.equal(made.images.label, test.label[made.source])
    assert torch.equal(made.images.target, test.x[made.source])


def test_nothing_moves_by_nothing(test):
    assert torch.allclose(rotation(test.x, 0), test.x, atol=1e-4)
    assert torch.allclose(shift(test.x, 0), test.x, atol=1e-4)
    assert occlusion(torch.ones(50, 1, 28, 28)).sum((1, 2, 3)).unique().tolist() == [28 * 28 - 81]


def test_unknown_kinds_and_no_versions_get_a_sentence(test):
    for wrong in ({"versions": 0}, {"kinds": ("melting",)}):
        with pytest.raises(InvalidInput, match="at least one version and kinds out of rotation"):
            altered(test, **wrong)


@pytest.fixture
def folder(test, tmp_path):
    made = altered(test[:200], versions=2, kinds=MILD, seed=0)
    return write_folders(test[:200], made, tmp_path / "set", tuple(ALTERATIONS))


def test_mild_alterations_find_their_partners(folder, test):
    pairs, recovered = paired(folder)
    assert set(recovered) == {*MILD, "all"}
    assert recovered["all"] >= 0.9
    assert torch.equal(pairs.images.label, test.label[:200][pairs.source])
    assert torch.allclose(pairs.images.target, test.x[pairs.source], atol=1e-6)


def test_without_the_truth_nothing_is_claimed(folder):
    (folder / "pairs.csv").unlink()
    assert paired(folder)[1] == {}


def test_colour_files_become_grey(folder):
    before = read_folders(folder)[0].x
    for path in (folder / "clean").iterdir():
        Image.open(path).convert("RGB").save(path)
    assert torch.equal(read_folders(folder)[0].x, before)


def spoil_nothing_in_one_folder(folder):
    shutil.rmtree(folder / "aug")


def spoil_empty_folder(folder):
    shutil.rmtree(folder / "aug")
    (folder / "aug").mkdir()


def spoil_name(folder):
    (folder / "aug" / "aug_x_3.png").touch()


def spoil_damage(folder):
    path = folder / "aug" / "aug_999_3.png"
    path.write_bytes(next((folder / "aug").iterdir()).read_bytes()[:60])


def spoil_size(folder):
    Image.new("L", (32, 28)).save(folder / "clean" / "clean_999_3.png")


def spoil_label(folder):
    for path in (folder / "clean").glob("clean_*_3.png"):
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (spoil_nothing_in_one_folder, r"aug does not exist; expected the folders clean and aug"),
        (spoil_empty_folder, r"aug is empty"),
        (spoil_name, r"aug_x_3\.png has another name than aug_<index>_<label>\.png"),
        (spoil_damage, r"aug_999_3\.png is damaged or no PNG"),
        (spoil_size, r"clean_999_3\.png is 32×28 pixels; every image must be 28×28"),
        (spoil_label, r"label 3 occurs only in aug"),
    ],
)
def test_bad_folders_get_a_sentence(folder, spoil, sentence):
    spoil(folder)
    with pytest.raises(InvalidInput, match=sentence):
        read_folders(folder)


def test_foreign_truth_is_refused(folder):
    with pytest.raises(InvalidInput, match="lists 400 altered images, but the folder holds 3"):
        pairs_recovered(folder, torch.zeros(3, dtype=torch.int64))


def test_recipes_train_on_folders(folder):
    train, test = RECIPES["altered-ae"].images(folder)
    assert len(train) + len(test) == 400
    assert not torch.equal(train.x, train.target)


def test_residual_blocks_lead_to_features_and_back():
    features = nn.Sequential(*residual_features(8))(torch.randn(2, 1, 28, 28))
    assert features.shape == (2, 8 * 49)
    assert nn.Sequential(*residual_images(8))(features).shape == (2, 1, 28, 28)


def test_a_residual_block_adds_its_input():
    block, x = residual_block(4), torch.randn(2, 4, 7, 7)
    nn.init.zeros_(block.main[-1].weight)
    torch.testing.assert_close(block(x), nn.functional.silu(x))


@pytest.mark.parametrize("name", ["altered-ae", "altered-vae", "altered-cvae"])
def test_residual_models_decode_images(name, test):
    torch.manual_seed(0)
    model = RECIPES[name].build()
    output = model(test.x[:4], test.label[:4])
    assert output[0].shape == (4, 1, 28, 28)
    z = model.encode(test.x[:4], test.label[:4])
    images = model.decode(z, test.label[:4])
    assert images.min() >= 0 and images.max() <= 1


def test_the_conditional_model_insists_on_labels(test):
    model = RECIPES["altered-cvae"].build()
    with pytest.raises(InvalidInput, match="give it a label"):
        model(test.x[:4])
    for wrong in (torch.tensor([3]), torch.tensor([0, 1, 2, 10]), torch.zeros(4)):
        with pytest.raises(InvalidInput, match="expected 4 labels 0–9 as int64"):
            model.decode(torch.zeros(4, model.latent_dim), wrong)


def test_the_label_reaches_both_sides(test):
    model = RECIPES["altered-cvae"].build().eval()
    x, other = test.x[:4], (test.label[:4] + 1) % 10
    assert not torch.equal(model.encode(x, test.label[:4]), model.encode(x, other))
    for layer in model.modules():
        if isinstance(layer, ConditionalLinear):  # which begins with the same scale and shift for every label
            torch.nn.init.normal_(layer.shift.weight)
    z = torch.zeros(4, model.latent_dim)
    assert not torch.equal(model.decode(z, test.label[:4]), model.decode(z, other))


def test_two_images_are_enough(test):
    assert len(altered(test[:2], seed=1).images) == 2  # most alterations are drawn for none of them
