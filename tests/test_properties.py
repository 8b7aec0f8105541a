"""Whatever arguments the public functions get: the right result, or for those they check an ``InvalidInput``.

Few examples, always the same ones; ``make stress`` draws thousands of new ones.
"""

import inspect
import math

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from stress.share import WHOLE
from torch import nn

from ae_utils import embedding
from ae_utils.data import noise
from ae_utils.data.altered import ALTERATIONS, altered
from ae_utils.data.csv import from_csv, to_csv
from ae_utils.data.dataset import Batch, Batches, Images
from ae_utils.errors import InvalidInput
from ae_utils.losses import autoencoder, classification, gan, regularized, vae
from ae_utils.metrics import classifier, conditional, images, latent, likelihood, samples
from ae_utils.models import CVAE, VAE, Autoencoder, DigitClassifier, Discriminator, Generator
from ae_utils.networks.conditional import ConcatLabel, ConditionalSequential, require_label
from ae_utils.networks.convolutional import conv_decoder, conv_encoder
from ae_utils.networks.dense import dense_decoder, dense_encoder, linear_bn_act
from ae_utils.runs import checkpoint
from ae_utils.training import loop, schedules, step
from ae_utils.training.loop import fit
from ae_utils.training.schedules import linear_decay, one_cycle
from ae_utils.training.step import GradientStep, adam
from ae_utils.widgets.state import ExplorerState

checks = {HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large}
settings.register_profile("few", max_examples=12, derandomize=True, deadline=None, suppress_health_check=checks)
settings.register_profile("many", max_examples=200, database=None, deadline=None, suppress_health_check=checks)
settings.load_profile("many" if WHOLE else "few")

numbers = st.one_of(st.integers(-3, 9), st.floats(-2, 2), st.sampled_from([math.nan, math.inf, -math.inf, 1e300]))
whole = st.integers(-2, 12)
sizes = st.one_of(whole, st.sampled_from([0.5, 2.0, math.nan, math.inf]))
dtypes = st.sampled_from([torch.float32, torch.float32, torch.float64, torch.float16, torch.int64, torch.uint8])
batch_sizes = st.sampled_from([0, 1, 1, 2, 3, 5])
image_shapes = st.one_of(
    st.builds(lambda n: (n, 1, 28, 28), batch_sizes),
    st.builds(lambda n: (n, 1, 28, 28), batch_sizes),
    st.lists(st.sampled_from([0, 1, 2, 3, 27, 28]), max_size=5).map(tuple),
)


@st.composite
def tensors(draw, shapes=image_shapes, dtypes=dtypes):
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


# --- data -----------------------------------------------------------------------------------------------------------


@given(tensors(), tensors(), labels())
def test_images(x, target, label):
    split = tried(Images, x, target, label)
    right = x.shape == target.shape and label.shape == x.shape[:1] and label.dtype == torch.int64
    right = right and x.ndim == 4 and x.shape[1] == 1 and x.dtype == target.dtype == torch.float32
    right = right and all(not part.numel() or (part.abs() <= 1).all() for part in (x, target))
    assert (split is not None) == right


@given(st.integers(0, 40), whole, st.booleans(), st.integers(0, 5), st.integers(0, 5))
def test_batches(count, batch_size, shuffle, seed, epoch):
    x = torch.linspace(0, 1, max(count, 1))[:count, None, None, None]
    batches = tried(Batches, Images(x, x, torch.arange(count)), batch_size, shuffle=shuffle, seed=seed)
    if batches is None:
        assert not count or batch_size < 1
        return
    lengths = [len(batch.x) for batch in batches.in_epoch(epoch)]
    seen = torch.cat([batch.label for batch in batches.in_epoch(epoch)])
    assert sum(lengths) == count and len(lengths) == len(batches) and seen.sort().values.equal(torch.arange(count))
    assert 1 not in lengths or batch_size == 1 or count == 1
    assert all(length == batch_size for length in lengths[:-1]) and lengths[-1] <= batch_size + 1


@given(
    tensors(dtypes=st.just(torch.float32)),
    st.sampled_from([noise.gaussian, noise.salt_and_pepper, noise.masking]),
    numbers,
)
def test_noise(x, corrupt, amount):
    assume(not x.numel() or 0 <= x.min() <= x.max() <= 1)
    noisy = tried(corrupt, x, **{"noise_std" if corrupt is noise.gaussian else "fraction": amount})
    assert (noisy is None) == (corrupt is not noise.gaussian and not 0 <= amount <= 1)
    if noisy is not None and 0 <= amount < math.inf:
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
    assert _plain(back) == _plain({"format": checkpoint.FORMAT, **content})


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return (value.shape, value.dtype, value.tolist()) if isinstance(value, torch.Tensor) else value


# --- models ---------------------------------------------------------------------------------------------------------

torch.manual_seed(0)
ENCODER = ConditionalSequential(nn.Flatten(), ConcatLabel(), nn.Linear(794, 6))
DECODER = ConditionalSequential(ConcatLabel(), *dense_decoder((13, 8), last=nn.Identity))
MODELS = {
    "dense": Autoencoder(dense_encoder((8, 3)), dense_decoder((3, 8)), 3),
    "convolutions": Autoencoder(conv_encoder(3), conv_decoder(3), 3),
    "batchnorm": Autoencoder(nn.Sequential(nn.Flatten(), *linear_bn_act(784, 3)), dense_decoder((3, 8)), 3),
    "vae": VAE(dense_encoder((8, 6)), dense_decoder((3, 8), last=nn.Identity), 3),
    "cvae": CVAE(ENCODER, DECODER, 3),
    "classifier": DigitClassifier(dense_encoder((8,)), 8),
    "discriminator": Discriminator(dense_encoder((8, 1))),
    "generator": Generator(dense_decoder((3, 8), last=nn.Identity), 3),
}
of_images, encoders, decoders = (
    st.sampled_from([name for name, model in MODELS.items() if fits(model)])
    for fits in (
        lambda model: not isinstance(model, Generator),
        lambda model: hasattr(model, "encode"),
        lambda model: hasattr(model, "decode"),
    )
)


digits = tensors(batch_sizes.map(lambda n: (n, 1, 28, 28)), st.just(torch.float32))


def are_labels(label, count):
    """Whether these are ``count`` digits as int64."""
    right = label is not None and label.shape == (count,) and label.dtype == torch.int64
    return right and (not count or bool(0 <= label.min() <= label.max() <= 9))


@given(of_images, digits, st.none() | labels(), st.booleans())
def test_models(name, x, label, training):
    assume(name != "batchnorm" or not training or len(x) > 1)  # torch's own error
    arguments = {"x": x} if name == "discriminator" else {"x": x, "label": label}
    output = tried(MODELS[name].train(training), **arguments)
    assert (output is not None) == (name != "cvae" or are_labels(label, len(x)))
    if output is not None:
        assert all(len(part) == len(x) for part in (output if isinstance(output, tuple) else (output,)))


@given(decoders, tensors(batch_sizes.map(lambda n: (n, 3)), st.just(torch.float32)), st.none() | labels())
def test_decoding(name, z, label):
    decoded = tried(MODELS[name].eval().decode, z=z, label=label)
    assert (decoded is not None) == (name != "cvae" or are_labels(label, len(z)))
    if decoded is not None:
        assert decoded.shape == (len(z), 1, 28, 28)
        assert not z.isfinite().all() or not len(z) or 0 <= decoded.min() <= decoded.max() <= 1


@given(encoders, digits, st.none() | labels())
def test_encoding(name, x, label):
    z = tried(MODELS[name].eval().encode, x=x, label=label)
    assert (z is not None) == (name != "cvae" or are_labels(label, len(x)))
    assert z is None or z.shape == (len(x), 3)


@given(st.none() | labels(), batch_sizes)
def test_require_label(label, count):
    passed = tried(require_label, label, count)
    assert passed is (label if are_labels(label, count) else None)


@given(st.lists(whole, max_size=3))
def test_widths(widths):
    assert (tried(dense_encoder, widths) is not None) == (len(widths) > 0 and min(widths) >= 1)


# --- objectives -----------------------------------------------------------------------------------------------------


def batch_of(count):
    x = torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(count))
    return Batch(x, x, torch.arange(count) % 10)


sigmoid_coder = Autoencoder(dense_encoder((4,)).append(nn.Sigmoid()), dense_decoder((4,)), 4)
weights = st.floats(0, 9)
likely_rho = st.floats(1e-6, 1 - 1e-6)
OBJECTIVES = {
    "elbo": (MODELS["vae"], vae.negative_elbo, {"beta": weights, "warmup": st.floats(0, 1)}),
    "iwae": (MODELS["vae"], vae.importance_weighted, {"samples": st.integers(1, 5)}),
    "l1": (sigmoid_coder, regularized.sparse_l1, {"weight": weights}),
    "kl": (sigmoid_coder, regularized.sparse_kl, {"weight": weights, "rho": likely_rho | numbers}),
    "contractive": (sigmoid_coder, regularized.contractive, {"weight": weights}),
    "sampled": (sigmoid_coder, regularized.contractive_sampled, {"weight": weights}),
    "classifier": (MODELS["classifier"], classification.cross_entropy, {"shift": st.integers(0, 27)}),
}


@given(st.sampled_from(list(OBJECTIVES)), st.data(), st.sampled_from([1, 2, 5]), st.sampled_from([0.0, 0.5, 1.0]))
def test_objectives(name, data, count, progress):
    model, objective, options = OBJECTIVES[name]
    chosen = {option: data.draw(values, label=option) for option, values in options.items()}
    terms = tried(objective, model.train(), batch_of(count), progress, **chosen)
    assert (terms is not None) == (1e-6 <= chosen.get("rho", 0.5) <= 1 - 1e-6)
    assert terms is None or all(term.shape == () and term.isfinite() for term in terms.values())


PAIRS = (vae.bernoulli, vae.gaussian, vae.kl_to_prior, regularized.squared_error, images.mse, images.psnr, images.ssim)
small = st.builds(
    lambda n, m: (n, *m), st.sampled_from([1, 2]), st.sampled_from([(1, 8, 8), (1, 1, 8), (1, 8, 8), (1,), (3,), (3,)])
)


@given(st.sampled_from(PAIRS), tensors(small, st.just(torch.float32)), tensors(small, st.just(torch.float32)))
def test_two_tensors_of_different_shapes_are_never_broadcast(term, one, other):
    assume(all(part.ndim == (2 if term is vae.kl_to_prior else 4) for part in (one, other)))
    if one.shape != other.shape:
        with pytest.raises(ValueError if term is vae.bernoulli else InvalidInput):
            term(one, other)
    elif term is not images.ssim or one.shape[2] > 6:  # else skimage's own error
        assert term(one, other).shape == one.shape[:1]


@given(st.sampled_from([one_cycle, linear_decay]), st.floats(0, 1), st.floats(0, 0.99))
def test_schedules(schedule, progress, option):
    name = "warmup" if schedule is one_cycle else "begin"
    assert 0 <= schedule(progress, **{name: option}) <= 1


@given(whole, st.sampled_from([1, 2, 9]))
def test_training(epochs, count):
    split = Images(*batch_of(count))
    model = Autoencoder(dense_encoder((2,)), dense_decoder((2,)), 2)
    one_step = GradientStep(model, _error, torch.optim.SGD([torch.zeros(1)]))
    assert fit(one_step, Batches(split, 4), epochs=epochs, seed=0).epochs == max(0, epochs)


def _error(model, batch, progress):
    return {"loss": (model(batch.x).x_hat - batch.target).square().mean()}


# --- metrics, embeddings, sliders -----------------------------------------------------------------------------------

few_codes = tensors(st.lists(st.sampled_from([0, 1, 2, 3, 12]), max_size=3).map(tuple), st.just(torch.float32))


@given(few_codes, labels(st.sampled_from([0, 1, 2, 3, 12])), sizes)
def test_probes_of_codes(z, label, k):
    assume(label.dtype == torch.int64)
    for probe, name in ((latent.linear_probe, "count"), (latent.nearest_neighbour_accuracy, "k")):
        accuracy = tried(probe, z, label, z, label, **{name: k})
        assert accuracy is None or all(0 <= one <= 1 for one in torch.as_tensor(accuracy).flatten().tolist())
    selectivity = tried(latent.selectivity, z, label)
    assert selectivity is None or (z.ndim == 2 and selectivity.shape == z.shape[1:])


@given(tensors(st.lists(st.sampled_from([0, 1, 2, 10]), max_size=3).map(tuple), st.just(torch.float32)))
def test_class_probabilities(probabilities):
    for metric in (samples.classes_reached, samples.label_entropy, samples.confident_fraction):
        result = tried(metric, probabilities)
        right = probabilities.ndim == 2 and probabilities.shape[1] == 10 and len(probabilities) > 0
        assert (result is not None) == right


@given(st.integers(1, 12), st.sampled_from([0, 1, 3]))
def test_likelihoods(draws, count):
    split = Images(*batch_of(count))
    measured = tried(likelihood.log_likelihood, MODELS["vae"], split, samples=draws)
    assert (measured is not None) == (count > 0)
    for metric in (likelihood.elbo, images.reconstruct, latent.codes):
        assert (tried(metric, MODELS["vae"], split) is not None) == (count > 0)
    assert count == 0 or tried(likelihood.binary, split.to_range(-1, 1)) is None


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
def test_sliders(z, latent_dim, slider_range):
    state = tried(ExplorerState, MODELS["dense"], latent_dim, z, None, (), slider_range)
    if state is not None:
        assert state.latent_dim == 3 and slider_range > 0
        assert all(low < high for low, high in zip(state.low, state.high, strict=True))


def test_a_last_image_alone_is_no_trap_for_batchnorm(train):
    """129 images in batches of 128: BatchNorm cannot train on one image, so the last batch has 129."""
    one_step = GradientStep(MODELS["batchnorm"], _error, adam(MODELS["batchnorm"].parameters()))
    for count in (129, 257, 3):
        assert fit(one_step, Batches(train[:count], 128 if count > 3 else 2), epochs=1, seed=0).epochs == 1


# --- arguments by name ----------------------------------------------------------------------------------------------

MODULES = (
    *(loop, schedules, step, autoencoder, classification, gan, regularized, vae),
    *(classifier, conditional, images, latent, likelihood, samples),
)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_argument_can_be_given_by_name(module):
    functions = [one for one in vars(module).values() if inspect.isfunction(one) and one.__module__ == module.__name__]
    parameters = [parameter for one in functions for parameter in inspect.signature(one).parameters.values()]
    assert parameters and not [one for one in parameters if one.kind is one.POSITIONAL_ONLY]
