"""Whatever arguments the public functions get: the right result, or an ``InvalidInput`` that says what was wrong.

Few examples, always the same ones; ``make stress`` draws thousands of new ones.
"""

import math

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from stress.share import WHOLE
from torch import nn

from ae_utils import checkpoint, embedding
from ae_utils.adversarial import AdversarialStep
from ae_utils.data import noise
from ae_utils.data.altered import ALTERATIONS, altered
from ae_utils.data.images import Batch, Batches, Images
from ae_utils.data.table import from_csv, to_csv
from ae_utils.errors import InvalidInput
from ae_utils.losses import regularized, variational
from ae_utils.losses.classification import cross_entropy
from ae_utils.metrics import codes, generation, images, likelihood
from ae_utils.models import CVAE, VAE, Autoencoder, Discriminator, Generator, Judge, one_hot
from ae_utils.networks import conv_decoder, conv_encoder, dense_decoder, dense_encoder, hidden, maxpool_encoder
from ae_utils.training import GradientStep, adam, fit, linear_decay, one_cycle
from ae_utils.widgets.scene import Scene

checks = {HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large}
settings.register_profile("few", max_examples=12, derandomize=True, deadline=None, suppress_health_check=checks)
settings.register_profile("many", max_examples=200, database=None, deadline=None, suppress_health_check=checks)
settings.load_profile("many" if WHOLE else "few")

numbers = st.one_of(st.integers(-3, 9), st.floats(-2, 2), st.sampled_from([math.nan, math.inf, -math.inf, 1e300]))
sizes = st.one_of(st.integers(-2, 12), st.sampled_from([0.5, 2.0, math.nan, math.inf]))
dtypes = st.sampled_from([torch.float32, torch.float32, torch.float64, torch.float16, torch.int64, torch.uint8])
batch_sizes = st.sampled_from([0, 1, 1, 2, 3, 5])
picture_shapes = st.one_of(
    st.builds(lambda n: (n, 1, 28, 28), batch_sizes),
    st.builds(lambda n: (n, 1, 28, 28), batch_sizes),
    st.lists(st.sampled_from([0, 1, 2, 3, 27, 28]), max_size=5).map(tuple),
)


@st.composite
def tensors(draw, shapes=picture_shapes, dtypes=dtypes):
    """A tensor of a likely or unlikely shape and type, now and then with a value that no pixel has."""
    shape, dtype = draw(shapes), draw(dtypes)
    x = torch.rand(shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 9)))).to(dtype)
    stranger = draw(st.sampled_from([None, None, None, 1.5, -0.5, 200.0, math.nan, math.inf]))
    if stranger is not None and x.numel() and dtype.is_floating_point:
        x.view(-1)[0] = stranger
    return x


@st.composite
def labels(draw, count=batch_sizes):
    """Labels of a likely or unlikely shape and type, some out of range."""
    count, dtype = (
        draw(count),
        draw(st.sampled_from([torch.int64, torch.int64, torch.int64, torch.int32, torch.float32])),
    )
    highest = draw(st.sampled_from([9, 9, 10, 200]))
    return torch.tensor(draw(st.lists(st.integers(-1 if highest > 9 else 0, highest), min_size=count, max_size=count)),
                        dtype=dtype)  # fmt: skip


def tried(call, *arguments, **options):
    """The result, or None where a sentence came instead; any other error is one."""
    try:
        return call(*arguments, **options)
    except InvalidInput as error:
        assert len(str(error)) > 20, "a sentence"
        return None


def is_size(value):
    """Whether it is a whole number of at least 1."""
    return isinstance(value, int) and value >= 1


def good(x):
    """Whether these are digits as a model takes them."""
    return x.shape[1:] == (1, 28, 28) and x.dtype == torch.float32


# --- data -----------------------------------------------------------------------------------------------------------


@given(tensors(), tensors(), labels())
def test_images(x, target, label):
    split = tried(Images, x, target, label)
    right = x.shape == target.shape and label.shape == x.shape[:1] and label.dtype == torch.int64
    right = right and x.ndim == 4 and x.shape[1] == 1 and x.dtype == target.dtype == torch.float32
    right = right and all(not part.numel() or (part.abs() <= 1).all() for part in (x, target))
    assert (split is not None) == right


@given(st.integers(0, 40), sizes, st.booleans(), st.integers(0, 5), st.integers(0, 5))
def test_batches(count, batch_size, shuffle, seed, epoch):
    x = torch.linspace(0, 1, max(count, 1))[:count, None, None, None]
    batches = tried(Batches, Images(x, x, torch.arange(count)), batch_size, shuffle=shuffle, seed=seed)
    if batches is None:
        assert not count or not is_size(batch_size)
        return
    lengths = [len(batch.x) for batch in batches.in_epoch(epoch)]
    seen = torch.cat([batch.label for batch in batches.in_epoch(epoch)])
    assert sum(lengths) == count and len(lengths) == len(batches) and seen.sort().values.equal(torch.arange(count))
    assert 1 not in lengths or batch_size == 1 or count == 1
    assert all(length == batch_size for length in lengths[:-1]) and lengths[-1] <= batch_size + 1


@given(tensors(), st.sampled_from([noise.gaussian, noise.salt_and_pepper, noise.masking]), numbers)
def test_noise(x, corrupt, amount):
    assume(x.dtype == torch.float32 and (not x.numel() or 0 <= x.min() <= x.max() <= 1))
    noisy = tried(corrupt, x, **{"noise_std" if corrupt is noise.gaussian else "share": amount})
    if noisy is None:
        assert not 0 <= amount <= 1
    elif math.isfinite(amount):
        assert noisy.shape == x.shape and (not x.numel() or 0 <= noisy.min() <= noisy.max() <= 1)


@given(sizes, st.lists(st.sampled_from([*ALTERATIONS, "mirror"]), max_size=3), st.integers(0, 3))
def test_altered(versions, kinds, count):
    x = torch.rand(count, 1, 28, 28)
    made = tried(altered, Images(x, x, torch.arange(count)), versions=versions, kinds=tuple(kinds))
    if made is not None:
        assert len(made.source) == count * versions and made.images.target.equal(x[made.source])


@given(tensors(shapes=batch_sizes.map(lambda n: (n, 1, 28, 28)), dtypes=st.just(torch.float32)))
def test_tables(tmp_path, x):
    split = tried(Images, x, x, torch.arange(len(x)))
    path = None if split is None else tried(to_csv, split, tmp_path / "table.csv")
    back = None if path is None else tried(from_csv, path)
    if back is None:
        assert not len(x) or not (x.min() >= 0 and x.max() <= 1)
    else:
        assert (back.x - x).abs().max() <= 0.5 / 255 + 1e-6 and back.label.equal(split.label)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | tensors().map(torch.nan_to_num),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text().filter(lambda name: name != "format"), values, max_size=4))
def test_checkpoints(tmp_path, content):
    checkpoint.save(tmp_path / "checkpoint.pt", content)
    back = checkpoint.load(tmp_path / "checkpoint.pt", tuple(content))
    assert _plain(back) == _plain({"format": 1, **content})


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return (value.shape, value.dtype, value.tolist()) if isinstance(value, torch.Tensor) else value


# --- models ---------------------------------------------------------------------------------------------------------

torch.manual_seed(0)
WITH_LABEL = CVAE(nn.Flatten(), nn.Linear(794, 6), dense_decoder((13, 8), last=nn.Identity), 3)
MODELS = {
    "dense": Autoencoder(dense_encoder((8, 3)), dense_decoder((3, 8)), 3),
    "convolutions": Autoencoder(conv_encoder(3), conv_decoder(3), 3),
    "batchnorm": Autoencoder(nn.Sequential(nn.Flatten(), *hidden(784, 3)), dense_decoder((3, 8)), 3),
    "vae": VAE(dense_encoder((8, 6)), dense_decoder((3, 8), last=nn.Identity), 3),
    "cvae": WITH_LABEL,
    "judge": Judge(dense_encoder((8,)), 8),
    "discriminator": Discriminator(dense_encoder((8, 1))),
}
names = st.sampled_from(list(MODELS))


@given(names, tensors(), st.none() | labels(), st.booleans())
def test_models(name, x, label, training):
    model = MODELS[name].train(training)
    arguments = (x,) if name == "discriminator" else (x, label)
    answer = tried(model, *arguments)
    if answer is None:
        known = label is not None and label.shape == x.shape[:1] and label.dtype == torch.int64
        known = known and (not len(label) or 0 <= label.min() <= label.max() <= 9)
        assert not good(x) or (name == "cvae" and not known) or (name == "batchnorm" and training and len(x) < 2)
    else:
        parts = answer if isinstance(answer, tuple) else (answer,)
        assert good(x) and all(len(part) == len(x) for part in parts)


@given(names, tensors(shapes=st.lists(st.sampled_from([0, 1, 2, 3, 4]), max_size=3).map(tuple)))
def test_decoding(name, z):
    assume(name not in ("judge", "discriminator"))
    decoded = tried(MODELS[name].eval().decode, z, torch.zeros(z.shape[:1], dtype=torch.int64))
    assert (decoded is not None) == (z.ndim == 2 and z.shape[1] == 3 and z.dtype == torch.float32)
    if decoded is not None:
        assert decoded.shape == (len(z), 1, 28, 28)
        assert not z.isfinite().all() or not len(z) or 0 <= decoded.min() <= decoded.max() <= 1


@given(st.none() | labels(), batch_sizes)
def test_one_hot(label, count):
    made = tried(one_hot, label, count)
    if made is not None:
        assert made.shape == (count, 10) and made.argmax(1).equal(label) and (made.sum(1) == 1).all()


@given(sizes)
def test_widths_and_latent_dims(size):
    empty = nn.Identity()
    makers = [conv_encoder, conv_decoder, maxpool_encoder, lambda n: Generator(empty, n)]
    makers += [lambda n: Autoencoder(empty, empty, n), lambda n: VAE(empty, empty, n), lambda n: CVAE(*3 * [empty], n)]
    for make in makers:
        assert (tried(make, size) is not None) == is_size(size)
    assert isinstance(size, float) or (tried(dense_encoder, (4, size)) is not None) == is_size(size)


# --- objectives -----------------------------------------------------------------------------------------------------


def batch_of(count):
    x = torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(count))
    return Batch(x, x, torch.arange(count) % 10)


sigmoid_coder = Autoencoder(dense_encoder((4,)).append(nn.Sigmoid()), dense_decoder((4,)), 4)
OBJECTIVES = {
    "elbo": (MODELS["vae"], variational.negative_elbo, ("beta", "warmup")),
    "iwae": (MODELS["vae"], variational.importance_weighted, ("samples",)),
    "l1": (sigmoid_coder, regularized.sparse_l1, ("weight",)),
    "kl": (sigmoid_coder, regularized.sparse_kl, ("weight", "rho")),
    "contractive": (sigmoid_coder, regularized.contractive, ("weight",)),
    "sampled": (sigmoid_coder, regularized.contractive_sampled, ("weight",)),
    "judge": (MODELS["judge"], cross_entropy, ("shift",)),
}


@given(
    st.sampled_from(list(OBJECTIVES)), numbers, numbers, st.sampled_from([1, 2, 5]), st.sampled_from([0.0, 0.5, 1.0])
)
def test_objectives(name, first, second, count, progress):
    model, objective, options = OBJECTIVES[name]
    chosen = dict(zip(options, (first, second), strict=False))
    terms = tried(objective, model.train(), batch_of(count), progress, **chosen)
    if terms is None:
        whole = all(isinstance(value, int) for value in chosen.values())
        assert min(chosen.values()) <= 0 or max(chosen.values()) > 1 or "rho" in chosen or not whole
    else:
        assert all(value >= 0 for value in chosen.values())
        assert all(term.shape == () for term in terms.values())
        assert max(chosen.values()) > 1e6 or all(term.isfinite() for term in terms.values())


PAIRS = (variational.bernoulli, variational.gaussian, variational.kl_to_prior, regularized.squared_error)
PAIRS += (images.mse, images.psnr, images.ssim)
small = st.builds(
    lambda n, m: (n, *m), st.sampled_from([1, 2]), st.sampled_from([(1, 8, 8), (1, 1, 8), (1, 8, 8), (1,), (3,), (3,)])
)


@given(st.sampled_from(PAIRS), tensors(small, st.just(torch.float32)), tensors(small, st.just(torch.float32)))
def test_two_tensors_of_different_shapes_are_never_stretched(term, one, other):
    assume(all(part.ndim == (2 if term is variational.kl_to_prior else 4) for part in (one, other)))
    result = tried(term, one, other)
    if one.shape != other.shape:
        assert result is None
    elif result is not None:
        assert result.shape == one.shape[:1]


@given(numbers, tensors(small, st.just(torch.float32)))
def test_the_width_of_a_gaussian(std, x):
    result = tried(variational.gaussian, x, x, std=std)
    assert (result is not None) == (1e-6 <= std <= 1e6)


@given(st.sampled_from([one_cycle, linear_decay]), st.floats(0, 1), numbers)
def test_schedules(schedule, progress, option):
    name = "warmup" if schedule is one_cycle else "begin"
    factor = tried(schedule, progress, **{name: option})
    assert factor is None or 0 <= factor <= 1
    assert factor is not None or not 0 <= option <= 0.99


@given(sizes, st.sampled_from([1, 2, 9]))
def test_training(epochs, count):
    split = Images(*batch_of(count))
    step = GradientStep(
        Autoencoder(dense_encoder((2,)), dense_decoder((2,)), 2), _error, torch.optim.SGD([torch.zeros(1)])
    )
    history = tried(fit, step, Batches(split, 4), epochs=epochs, seed=0)
    assert (history is not None) == (epochs == 0 or is_size(epochs))
    assert history is None or history.epochs == epochs


def _error(model, batch, progress):
    return {"loss": (model(batch.x).x_hat - batch.target).square().mean()}


@given(numbers, sizes, numbers)
def test_options_of_a_game(penalty, penalty_every, average):
    players = Generator(nn.Linear(2, 784), 2), Discriminator(dense_encoder((1,)))
    optimizers = [adam(player.parameters()) for player in players]
    options = {"penalty": penalty, "penalty_every": penalty_every, "average": average}
    made = tried(AdversarialStep, *players, *optimizers, **options)
    assert (made is not None) == (penalty >= 0 and is_size(penalty_every) and 0 <= average <= 1)


# --- metrics, embeddings, sliders -----------------------------------------------------------------------------------

few_codes = tensors(st.lists(st.sampled_from([0, 1, 2, 3, 12]), max_size=3).map(tuple), st.just(torch.float32))


@given(few_codes, labels(st.sampled_from([0, 1, 2, 3, 12])), sizes)
def test_readers_of_codes(z, label, k):
    assume(label.dtype == torch.int64)
    for reader in (codes.linear_probe, codes.nearest_neighbours):
        share = tried(reader, z, label, z, label, **({"count": k} if reader is codes.linear_probe else {"k": k}))
        assert share is None or all(0 <= one <= 1 for one in torch.as_tensor(share).flatten().tolist())
    preference = tried(codes.selectivity, z, label)
    assert preference is None or (z.ndim == 2 and preference.shape == z.shape[1:])


@given(tensors(st.lists(st.sampled_from([0, 1, 2, 10]), max_size=3).map(tuple), st.just(torch.float32)))
def test_judgements(probabilities):
    for metric in (generation.classes_reached, generation.label_entropy, generation.confident_share):
        result = tried(metric, probabilities)
        right = probabilities.ndim == 2 and probabilities.shape[1] == 10 and len(probabilities) > 0
        assert (result is not None) == right


@given(sizes, st.sampled_from([0, 1, 3]))
def test_likelihoods(samples, count):
    split = Images(*batch_of(count))
    measured = tried(likelihood.log_likelihood, MODELS["vae"], split, samples=samples)
    assert (measured is not None) == (is_size(samples) and count > 0)
    for metric in (likelihood.elbo, images.reconstruct, codes.codes):
        assert (tried(metric, MODELS["vae"], split) is not None) == (count > 0)
    assert count == 0 or tried(likelihood.binary, split.signed()) is None


@given(few_codes, st.sampled_from(["pca", "t-sne", "umap"]), st.integers(0, 4))
def test_embedding(z, method, dims):
    assert tried(embedding.embed, z, method, dims) is None, "too few codes, all of them"


@pytest.mark.parametrize("dims", [2, 3])
def test_embedding_refuses_what_is_not_finite(dims):
    z = torch.rand(60, 4)
    assert embedding.embed(z, "pca", dims).points.shape == (60, dims)
    z[3, 1] = math.nan
    assert tried(embedding.embed, z, "pca", dims) is None


@given(st.none() | few_codes, st.none() | st.integers(-1, 4), numbers)
def test_sliders(z, latent_dim, spread):
    scene = tried(Scene, MODELS["dense"], latent_dim, z, None, (), spread)
    if scene is not None:
        assert scene.latent_dim == 3 and spread > 0
        assert all(low < high for low, high in zip(scene.low, scene.high, strict=True))


def test_a_last_image_alone_is_no_trap_for_batchnorm(train):
    """129 images in batches of 128: BatchNorm cannot train on one image, so the last batch has 129."""
    step = GradientStep(MODELS["batchnorm"], _error, adam(MODELS["batchnorm"].parameters()))
    for count in (129, 257, 3):
        assert fit(step, Batches(train[:count], 128 if count > 3 else 2), epochs=1, seed=0).epochs == 1
