"""An explorer that follows ``fit``: the same bits, its share of the time, what the page is sent, the snapshots kept."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ae_utils.data.dataset import Batches, Images
from ae_utils.errors import InvalidInput
from ae_utils.losses.autoencoder import mean_squared_error
from ae_utils.models import CVAE, Autoencoder, Generator
from ae_utils.networks.conditional import ConcatLabel, ConditionalSequential
from ae_utils.training.loop import fit
from ae_utils.training.step import Diverged, GradientStep, adam
from ae_utils.widgets import follow as module
from ae_utils.widgets.explorer import LatentExplorer
from ae_utils.widgets.follow import Follow

X = torch.rand(60, 1, 28, 28, generator=torch.Generator().manual_seed(0))
LABEL = torch.arange(60) % 10
IMAGES = Images(X, X, LABEL)


def autoencoder(latent_dim=2, *layers, **options):
    torch.manual_seed(0)
    encoder = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 16), nn.BatchNorm1d(16), nn.Dropout(), nn.Linear(16, latent_dim)
    )
    decoder = nn.Sequential(nn.Linear(latent_dim, 784), nn.BatchNorm1d(784), *layers, nn.Unflatten(1, (1, 28, 28)))
    return Autoencoder(encoder, decoder, latent_dim, **options)


def explorer_of(model, images=X, labels=LABEL, **options):
    """An explorer of all images."""
    low, high = model.pixel_range
    with torch.no_grad():
        codes = model.eval().encode(images * (high - low) + low)
    return LatentExplorer(model, codes=codes, images=images, labels=labels, **options)


def train(model, *hooks, epochs=2, batches=6):
    step = GradientStep(model, mean_squared_error, adam(model.parameters(), lr=0.01))
    fit(step, Batches(IMAGES, len(X) // batches, shuffle=True), epochs=epochs, seed=0, on_batch_end=hooks)
    return model.state_dict()


def batches(count):
    """What ``fit`` tells its hooks in an epoch of so many batches."""
    return (SimpleNamespace(epoch=0, epochs=1, batch=batch, batches=count) for batch in range(count))


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the tests and the updates move; an update takes ``cost`` seconds."""
    clock = SimpleNamespace(now=100.0, cost=0.0)
    monkeypatch.setattr(module, "monotonic", lambda: clock.now)
    update = LatentExplorer.update

    def costly(explorer):
        clock.now += clock.cost
        return update(explorer)

    monkeypatch.setattr(LatentExplorer, "update", costly)
    return clock


def test_a_training_that_is_followed_ends_with_the_same_bits(clock):
    alone = train(autoencoder())
    model = autoencoder()
    follow = Follow(explorer_of(model))
    followed = train(model, follow)
    assert len(follow._snapshots) == 12  # an update after each batch
    assert all(torch.equal(alone[name], followed[name]) for name in alone)


def test_following_leaves_modes_and_random_numbers_alone():
    model = autoencoder()
    explorer = explorer_of(model)
    model.train()
    model.encoder[2].eval()  # frozen statistics
    modes, state = [part.training for part in model.modules()], torch.random.get_rng_state()
    Follow(explorer)
    explorer.update()
    assert [part.training for part in model.modules()] == modes
    assert torch.equal(torch.random.get_rng_state(), state)


def test_updates_take_a_twentieth_of_the_time(clock):
    follow, began, updates = Follow(explorer_of(autoencoder())), clock.now, 0
    for state in batches(20_000):
        clock.now += 0.003
        clock.cost, before = 0.01 + 0.03 * (state.batch % 7 == 0), clock.now  # a busy machine
        follow(state)
        updates += clock.now - before
    assert updates / (clock.now - began) == pytest.approx(0.05, rel=0.05)


def test_an_update_waits_19_times_as_long_as_the_one_before_took(clock):
    follow, clock.cost, times = Follow(explorer_of(autoencoder())), 0.1, []
    for state in batches(100):
        clock.now, before = clock.now + 0.5, clock.now
        follow(state)
        times += [state.batch] if clock.now - before > 0.55 else []
    assert times == [*range(0, 100, 4), 99]  # after the first batch, at 1.9 seconds after each, and after the last


def test_the_page_is_sent_codes_ranges_and_decoder():
    model = autoencoder()
    explorer = explorer_of(model)
    before = explorer._state
    train(model, Follow(explorer))
    with torch.no_grad():
        codes = model.eval().encode(X)
    now = explorer._state
    assert torch.frombuffer(bytearray(now["codes"]), dtype=torch.float32).view(-1, 2).allclose(codes, atol=1e-5)
    assert torch.tensor(now["low"]).allclose(codes.quantile(0.005, dim=0)) and now["start"] != before["start"]
    assert now["graph"] == LatentExplorer(model, codes=codes, images=X)._state["graph"] != before["graph"]
    assert all(now[name] is before[name] for name in ("thumbnails", "labels", "colours"))


def test_only_the_images_that_the_page_shows_are_encoded_again():
    many = X.repeat(50, 1, 1, 1)
    explorer = explorer_of(autoencoder(), many, LABEL.repeat(50))
    shown = explorer.update()
    assert len(shown.codes) == len(shown.images) == len(shown.labels) == 1000
    assert torch.equal(shown.images[:3], many[[0, 3, 6]])
    assert explorer.update().codes.equal(shown.codes)


def test_images_are_encoded_in_the_models_own_range():
    model = autoencoder(2, nn.Tanh(), pixel_range=(-1, 1))
    explorer = explorer_of(model)
    codes = explorer._explorer_state.codes
    assert explorer.update().codes.allclose(codes, atol=1e-5)


def test_a_conditional_model_encodes_with_the_labels():
    encoder = ConditionalSequential(nn.Flatten(), ConcatLabel(), nn.Linear(794, 4))
    model = CVAE(encoder, ConditionalSequential(ConcatLabel(), nn.Linear(12, 784), nn.Unflatten(1, (1, 28, 28))), 2)
    with torch.no_grad():
        codes = model.encode(X, LABEL)
    explorer = LatentExplorer(model, codes=codes, images=X, labels=LABEL, label_choices=range(10))
    assert explorer.update().codes.allclose(codes, atol=1e-5)
    assert not codes.allclose(model.encode(X, LABEL.flip(0)))


def test_an_explorer_without_codes_follows_its_decoder():
    generator = Generator(nn.Sequential(nn.Linear(3, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28))), 3)
    explorer = LatentExplorer(generator)
    before, follow = explorer.picture(), Follow(explorer)
    with torch.no_grad():
        generator.decoder[0].bias += 1
    follow(*batches(1))
    assert explorer._state["graph"] == LatentExplorer(generator)._state["graph"]
    assert follow.player()._state["size"] == (224, 224) and not torch.equal(explorer.picture(), before)


@pytest.mark.parametrize(
    "explorer, words",
    [
        (autoencoder, "explorer must be a LatentExplorer, but got Autoencoder"),
        (lambda: LatentExplorer(autoencoder(2, nn.GELU())), "cannot follow .*: GELU is not a layer"),
        (lambda: LatentExplorer(autoencoder(), codes=torch.randn(9, 2)), "only from their images, by a model"),
        (lambda: LatentExplorer(autoencoder().decoder, 2, codes=torch.randn(60, 2), images=X), "a model with encode"),
    ],
)
def test_what_cannot_be_followed_gets_a_sentence(explorer, words):
    with pytest.raises(InvalidInput, match=words):
        Follow(explorer())


def test_frames_are_two_at_least_and_there_are_none_before_a_training():
    explorer = explorer_of(autoencoder())
    with pytest.raises(InvalidInput, match="frames must be at least 2, but got 1"):
        Follow(explorer, frames=1)
    with pytest.raises(InvalidInput, match="nothing to play yet"):
        Follow(explorer).player()


def test_weights_that_are_not_finite_are_left_to_fit(clock):
    model = autoencoder()
    follow = Follow(explorer_of(model))

    def spoil(state):
        if state.batch == 3:
            with torch.no_grad():
                model.encoder[1].weight.fill_(torch.nan)

    with pytest.raises(Diverged, match="in epoch 1, batch 5"):
        train(model, spoil, follow)
    assert len(follow.player()._pngs) == 3


@pytest.mark.parametrize("count", [1, 5, 10, 11, 20, 100, 333])
def test_moments_are_thinned_evenly(count, clock, monkeypatch):
    follow = Follow(explorer_of(autoencoder()), frames=10)
    shown = follow.explorer.update()
    monkeypatch.setattr(follow.explorer, "update", lambda: shown)
    for state in batches(count):
        follow(state)
    epochs = [snapshot.epochs for snapshot in follow._snapshots]
    assert len(epochs) == min(count, 10)
    assert epochs[0] == 1 / count and epochs[-1] == 1
    assert max(np.diff(epochs), default=0) <= max(1 / count, 2 / 9)  # twice as far apart as they might be


def test_a_second_training_replaces_the_moments_of_the_first(clock):
    model = autoencoder()
    follow = Follow(explorer_of(model))
    train(model, follow, epochs=2)
    train(model, follow, epochs=1)
    captions = follow.player()._state["captions"]
    assert captions[0] == "after 0.17 epochs" and captions[-1] == "after 1.00 epochs" and len(captions) == 6


def test_the_player_shows_the_first_images_reconstruction_and_the_map(clock):
    model = autoencoder()
    follow = Follow(explorer_of(model))
    train(model, follow, epochs=1)
    with torch.no_grad():
        x_hat = model.eval()(X[:1]).x_hat[0].clamp(0, 1)
    assert follow._snapshots[-1].image.allclose(x_hat, atol=1e-5)
    pixels = np.asarray(Image.open(io.BytesIO(follow.player()._pngs[-1])).convert("RGB"))
    assert pixels.shape == (290, 640, 3)
    coloured = np.ptp(pixels.astype(int), axis=2) > 40
    assert not coloured[:, :250].any() and coloured[:, 300:].any()  # a grey picture, beside it a map


def test_the_chosen_image_is_the_one_that_is_followed():
    model = autoencoder()
    explorer = explorer_of(model, labels=None)
    explorer.z = explorer._explorer_state.codes[7]
    model.train()(X[:20])  # other statistics, other codes
    follow = Follow(explorer)
    train(model, follow)
    assert torch.equal(follow._snapshots[-1].z, follow._snapshots[-1].shown.codes[7])
    assert follow.player()._pngs  # a map without labels
