"""Your turn in lesson 05: the label appended, a VAE that passes it on, and a linear layer that it scales and shifts."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ae_utils.course.checks.check import Wrong, given
from ae_utils.course.checks.your_turn import called, close, compare, your_turn
from ae_utils.errors import InvalidInput
from ae_utils.models import CVAE, VAE
from ae_utils.networks.conditional import ConcatLabel, Conditional, ConditionalLinear

LABELS = torch.tensor([7, 0, 3, 7, 9])  # the same label twice, and the largest one


# --- the label appended --------------------------------------------------------------------------------------------


@your_turn(ConcatLabel)
def concat_label(answer) -> str:
    """``answer()``: a ``Conditional`` layer; ``forward(x, label)`` appends the one-hot label to features (batch, n)."""
    layer = _conditional(answer, "ConcatLabel")()
    for label in (LABELS, torch.tensor([2, 5])):
        x = torch.randn(len(label), 6, requires_grad=True)
        found = _called(layer, x, label)
        if found.shape == (len(label), 7):
            raise Wrong("one column was appended: as a number, 9 would be nine times 1; append ten columns, one-hot")
        if found.ndim == 2 and 6 < found.shape[1] < 16:
            raise Wrong("there are too few columns: F.one_hot stops at the batch's largest label unless told 10")
        if found.shape != (len(label), 16):
            raise Wrong(f"features (batch, n) and ten columns more make ({len(label)}, 16), not {tuple(found.shape)}")
        one_hot = nn.functional.one_hot(label, 10).to(x)
        mistakes = {
            "the label comes before the features: append it after them": torch.cat((one_hot, x), 1),
            "the wrong column is 1: label y belongs in column y": torch.cat((x, one_hot.flip(1)), 1),
            "the columns are 0 for the label and 1 for all others": torch.cat((x, 1 - one_hot), 1),
            "every image has the label of the first one": torch.cat((x, one_hot[:1].expand(len(label), 10)), 1),
            "the labels are those of other images": torch.cat((x, one_hot.flip(0)), 1),
            "there are zeros where the label should be": torch.cat((x, 0 * one_hot), 1),
            "the features are changed on the way": torch.cat((x.relu(), one_hot), 1),
        }
        compare(found, torch.cat((x, one_hot), 1), mistakes, "features, then ten columns with a single 1")
        _gradient_reaches(found, x, "the features")
    return "the features, and ten columns that say which digit it is"


# --- the model -----------------------------------------------------------------------------------------------------


@your_turn(CVAE)
def cvae(answer) -> str:
    """``answer(encoder, decoder, latent_dim)``: a ``VAE`` whose networks are called with the label as well."""
    if not (isinstance(answer, type) and issubclass(answer, VAE)):
        raise Wrong("a class CVAE(VAE) is expected: forward, encode and decode are inherited")
    encoder, decoder = _Encoder(), _Decoder()
    model = answer(encoder, decoder, 4)
    x, z = torch.rand(5, 1, 28, 28), torch.randn(5, 4)
    mu, logvar = _posterior(model, x)
    if not encoder.labels:
        raise Wrong("posterior does not call self.encoder")
    _same_label(encoder.labels[-1], "encoder")
    wanted = encoder(x, LABELS).chunk(2, dim=1)
    _compare_posterior((mu, logvar), wanted)
    logits = _logits(model, z)
    if not decoder.labels:
        raise Wrong("logits does not call self.decoder")
    _same_label(decoder.labels[-1], "decoder")
    expected = decoder(z, LABELS)
    mistakes = {
        "logits are expected before the sigmoid: decode applies it": torch.sigmoid(expected),
        "the sign of the logits is wrong": -expected,
    }
    compare(logits, expected, mistakes, "logits returns what the decoder returns for z and the label")
    _refuses(lambda label: model.posterior(x, label), "posterior")
    _refuses(lambda label: model.logits(z, label), "logits")
    return "both networks are called with the label, and an image without one is refused"


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.labels = nn.Sequential(nn.Flatten(), nn.Linear(784, 8)), list[Any]()

    def forward(self, x: Tensor, label: Any = None) -> Tensor:
        self.labels.append(label)
        return self.body(x) + (label.float()[:, None] if _is_label(label) else 0.0)


class _Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 784), nn.Unflatten(1, (1, 28, 28)))
        self.labels = list[Any]()

    def forward(self, z: Tensor, label: Any = None) -> Tensor:
        self.labels.append(label)
        return self.body(z) + (label.float()[:, None, None, None] if _is_label(label) else 0.0)


def _is_label(label: Any) -> bool:
    return isinstance(label, Tensor) and label.shape == (5,)


def _same_label(label: Any, network: str) -> None:
    if label is None:
        raise Wrong(f"the {network} is called without the label: it takes two arguments, the second is the label")
    if isinstance(label, Tensor) and label.shape == (5, 10):
        raise Wrong(f"the {network} is given one-hot vectors: its layers want the labels themselves, (batch,)")
    if not (_is_label(label) and torch.equal(label, LABELS)):
        raise Wrong(f"the {network} is given another label than the one that came in")


def _posterior(model: VAE, x: Tensor) -> tuple[Tensor, Tensor]:
    result = given(model.posterior(x, LABELS))
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("posterior returns mu and logvar, two tensors: chunk(2, dim=1) splits what the encoder returns")
    return given(result[0]), given(result[1])


def _logits(model: VAE, z: Tensor) -> Tensor:
    result: Tensor = given(model.logits(z, LABELS))
    return result


def _compare_posterior(found: tuple[Tensor, Tensor], wanted: tuple[Tensor, ...]) -> None:
    mu, logvar = wanted
    if found[0].shape != mu.shape or found[1].shape != logvar.shape:
        raise Wrong("mu and logvar are the two halves of the columns: chunk(2, dim=1), not of the rows")
    if close(found[0], logvar) and close(found[1], mu):
        raise Wrong("mu and logvar are swapped: mu comes first")
    mistakes = {
        "this is a variance: leave logvar as it is": logvar.exp(),
        "this is a standard deviation: leave logvar as it is": (0.5 * logvar).exp(),
        "this is mu again: logvar is the second half": mu,
    }
    compare(found[0], mu, {}, "mu is the first half of what the encoder returns")
    compare(found[1], logvar, mistakes, "logvar is the second half of what the encoder returns")


def _refuses(method: Callable[[Any], Any], name: str) -> None:
    for label, what in ((None, "a missing label"), (LABELS[:2], "2 labels for 5 images"), (LABELS + 1, "the label 10")):
        try:
            method(label)
        except InvalidInput:
            continue
        except Exception as error:
            raise Wrong(
                f"{name} with {what} fails with a {type(error).__name__}: require_label says what is wrong"
            ) from None
        raise Wrong(f"{name} accepts {what}: call require_label(label, number of images), which refuses it")


# --- a layer -------------------------------------------------------------------------------------------------------


@your_turn(ConditionalLinear)
def conditional_linear(answer) -> str:
    """``answer(width_in, width)``: linear layer, BatchNorm, a scale and a shift for each label, SiLU."""
    layer, own = _conditional(answer, "ConditionalLinear")(6, 4), ConditionalLinear(6, 4)
    _check_tables(layer)
    try:
        layer.load_state_dict(own.state_dict())
    except RuntimeError:
        raise Wrong(
            "self.main, self.scale and self.shift hold all the weights there are: was one renamed or added?"
        ) from None
    x = torch.randn(5, 6, requires_grad=True)
    compare(_called(layer.eval(), x, LABELS), own.eval()(x, LABELS), _wrong_layers(own, x),
            "main, times scale, plus shift, activation function")  # fmt: skip
    with torch.no_grad():
        for table in (own.scale, own.shift):
            table.weight.copy_(torch.randn(10, 4))
        for statistic in own.main.buffers():  # running mean, running variance and the number of batches
            statistic.copy_(1 + torch.rand(statistic.shape))
    layer.load_state_dict(own.state_dict())
    found = _called(layer, x, LABELS)
    compare(found, own(x, LABELS), _wrong_layers(own, x), "main, times scale, plus shift, activation function")
    compare(_called(layer.train(), x, LABELS), own.train()(x, LABELS), {}, "in training mode the numbers are others")
    _gradient_reaches(found, x, "the features")
    for name in ("scale", "shift"):
        _gradient_reaches(found, getattr(layer, name).weight, f"the table self.{name}")
    return "each label has a scale and a shift for every unit; at first they make no difference"


def _check_tables(layer: nn.Module) -> None:
    for name, value in (("scale", 1.0), ("shift", 0.0)):
        table = given(getattr(layer, name, None))
        if not isinstance(table, nn.Embedding):
            raise Wrong(f"self.{name} is no nn.Embedding, a table with one row per label, but a {type(table).__name__}")
        weight = table.weight
        if weight.shape == (4, 10):
            raise Wrong(f"self.{name} has its axes exchanged: a row per label, a column per unit, (LABELS, width)")
        if weight.shape != (10, 4):
            raise Wrong(f"self.{name} needs a row per label and a column per unit, (10, 4), not {tuple(weight.shape)}")
        if not weight.requires_grad:
            raise Wrong(f"self.{name} is frozen, so it cannot learn: from_pretrained freezes unless freeze=False")
        if not close(weight, torch.full((10, 4), value)):
            raise Wrong(
                f"self.{name} must start at {value:.1f} for all labels and units: at first no label makes a difference"
            )


def _wrong_layers(own: ConditionalLinear, x: Tensor) -> dict[str, Tensor]:
    act, h, scale, shift = own.activation, own.main(x), own.scale(LABELS), own.shift(LABELS)
    linear, norm = own.main
    return {
        "the activation function is missing": h * scale + shift,
        "the activation function comes last, after scale and shift": act(h) * scale + shift,
        "the shift is missing": act(h * scale),
        "the scale is missing": act(h + shift),
        "scale and shift are exchanged: multiply by the scale, add the shift": act(h * shift + scale),
        "the shift is subtracted: add it": act(h * scale - shift),
        "the shift is multiplied by the scale, too: scale first, then shift": act((h + shift) * scale),
        "the result is divided by the scale: multiply": act(h / scale + shift),
        "main is left out: the linear layer and BatchNorm": act(linear(x) * scale + shift),
        "the label scales the features before BatchNorm, which takes scale and shift out again":
            act(norm(linear(x) * scale + shift)),
        "the scale comes on top of 1: the table starts at 1 already": act(h * (1 + scale) + shift),
        "all images are given one label's row": act(h * own.scale(LABELS[:1]) + own.shift(LABELS[:1])),
        "the label is not looked up: self.scale(label) returns a row for each image":
            act(h * own.scale.weight[:5] + own.shift.weight[:5]),
    }  # fmt: skip


def _conditional(answer: Any, name: str) -> Any:
    if not (isinstance(answer, type) and issubclass(answer, nn.Module)):
        raise Wrong(f"a class {name}(Conditional) is expected")
    if not issubclass(answer, Conditional):
        raise Wrong(f"derive it from Conditional, {name}(Conditional): only such layers are given the label")
    return answer


def _called(layer: Callable[..., Any], x: Tensor, label: Tensor) -> Tensor:
    found = called(layer, x, label)
    if not isinstance(found, Tensor):
        raise Wrong(f"forward returns one tensor, not a {type(found).__name__}")
    return found


def _gradient_reaches(result: Tensor, value: Tensor, what: str) -> None:
    gradient = None
    if result.requires_grad:
        weights = torch.randn(result.shape)
        (gradient,) = torch.autograd.grad((result * weights).sum(), value, retain_graph=True, allow_unused=True)
    if gradient is None or not bool(gradient.any()):
        raise Wrong(f"no gradient reaches {what}: detach, no_grad or .data on the way cuts it off")
