"""Your turn in lesson 01: the error, the autoencoder, a training step, linear layers with ReLU between them."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ae_utils.course.checks.check import NotAnswered, Wrong
from ae_utils.course.checks.your_turn import called, close, compare, your_turn

WIDTHS = ((5, 4, 3), (8, 5, 4, 4, 4, 3), (6, 2))


# --- the error -----------------------------------------------------------------------------------------------------


def own_reconstruction_error(x_hat, x):
    """Squared error, averaged over images and pixels."""
    return F.mse_loss(x_hat, x)


@your_turn(own_reconstruction_error)
def reconstruction_error(answer) -> str:
    """``answer(x_hat, x)``: the squared error of images (n, 1, 28, 28), averaged over images and pixels: a scalar."""
    for count in (3, 2):
        x_hat, x = torch.randn(count, 1, 28, 28, requires_grad=True), torch.rand(count, 1, 28, 28)
        error = called(answer, x_hat, x)
        if not isinstance(error, Tensor):
            raise Wrong(f"a {type(error).__name__} came back, but only a tensor has a gradient: leave it a tensor")
        if error.shape == (count,):
            raise Wrong("one error per image came back: take the mean over the images, too")
        if error.shape == x.shape:
            raise Wrong("one error per pixel came back: take the mean over all of them")
        if error.shape:
            raise Wrong(f"one number, of shape (), is expected, but the shape is {tuple(error.shape)}")
        compare(error, F.mse_loss(x_hat, x), _wrong_errors(x_hat, x), "difference, square, mean over everything")
        if not error.requires_grad:
            raise Wrong("no gradient reaches x_hat: detach, no_grad or a conversion on the way cuts it off")
        gradient = torch.autograd.grad(error, x_hat)[0]
        if not close(gradient * x.numel(), 2 * (x_hat - x)):
            raise Wrong("the value is right, but its gradient is not: something on the way is detached")
    return "the mean squared error, over images and pixels"


def _wrong_errors(x_hat: Tensor, x: Tensor) -> dict[str, Tensor]:
    difference = x_hat - x
    squared = difference.square()
    return {
        "this is the sum over images and pixels, which grows with the batch: take the mean": squared.sum(),
        "the pixels of an image are summed: take the mean over them, too": squared.flatten(1).sum(1).mean(),
        "the errors of the images are summed: take the mean over them, too": squared.flatten(1).mean(1).sum(),
        "these are absolute differences: square them": difference.abs().mean(),
        "differences of opposite sign cancel in this mean: square them first": difference.mean(),
        "the mean is squared: square each difference first, then take the mean": difference.mean().square(),
        "this is the root of the error: leave the root away": squared.mean().sqrt(),
        "the sign is wrong: a squared error is never negative": -squared.mean(),
        "this is half of the error: the formula has no factor 1/2": squared.mean() / 2,
        "this is twice the error: the formula has no factor 2": squared.mean() * 2,
        "the images are added: an error is about their difference": (x_hat + x).square().mean(),
        "x_hat is clipped, so that pixels beyond the range cost nothing": F.mse_loss(x_hat.clamp(0, 1), x),
        "each image is squared: square the difference of the two": (x_hat.square() - x.square()).mean(),
    }


# --- the model -----------------------------------------------------------------------------------------------------


class Autoencoder(nn.Module):
    """An encoder and a decoder, one after the other."""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x):
        return self.decoder(self.encoder(x))


@your_turn(Autoencoder)
def autoencoder(answer) -> str:
    """``answer(encoder, decoder)``: a module that keeps both; its ``forward(x)`` returns x_hat."""
    if not (isinstance(answer, type) and issubclass(answer, nn.Module)):
        raise Wrong("a class Autoencoder(nn.Module) is expected: nn.Module is what finds the parameters in it")
    if answer.forward is nn.Module.forward:
        raise Wrong("the method forward(self, x) is missing")
    parts = _toy_parts()
    model = _built(answer, *parts.values())
    found = {id(parameter) for parameter in model.parameters()}
    for name, part in parts.items():
        if not {id(parameter) for parameter in part.parameters()} <= found:
            raise Wrong(f"the {name}'s parameters are not among parameters(): assign it, as a module, to self.{name}")
    for name, part in parts.items():
        if getattr(model, name, part) in parts.values() and getattr(model, name, part) is not part:
            raise Wrong(f"self.{name} is not the {name}: are the two swapped?")
        if getattr(model, name, None) is not part:
            raise Wrong(f"the {name} has another name: later cells look for model.{name}")
    for count in (3, 1):
        _check_forward(model, parts, torch.randn(count, 1, 28, 28))
    return "image → encoder → code → decoder → x_hat, with all parameters in view of an optimizer"


def _toy_parts() -> dict[str, nn.Module]:
    decoder = nn.Sequential(nn.Linear(8, 784), nn.Unflatten(1, (1, 28, 28)))
    return {"encoder": nn.Sequential(nn.Flatten(), nn.Linear(784, 8)), "decoder": decoder}


def _built(answer: Any, encoder: nn.Module, decoder: nn.Module) -> Any:
    try:
        return answer(encoder, decoder)
    except AttributeError as error:
        if "Module.__init__()" in str(error):
            raise Wrong("super().__init__() has to come first in __init__: it prepares the module for parts") from None
        raise
    except TypeError:
        if "__init__" not in vars(answer):
            raise Wrong("the method __init__(self, encoder, decoder) is missing") from None
        raise


def _check_forward(model: nn.Module, parts: dict[str, nn.Module], x: Tensor) -> None:
    x_hat = _output(model, parts, x)
    encoder, decoder = parts.values()
    z = encoder(x)
    if isinstance(x_hat, tuple):
        raise Wrong(f"forward returns {len(x_hat)} things: in this lesson it is x_hat alone")
    if not isinstance(x_hat, Tensor):
        raise Wrong(f"forward returns a {type(x_hat).__name__}, but x_hat is a tensor")
    mistakes = {
        "forward returns the code z: the decoder makes x_hat of it": z,
        "forward returns x itself: send it through the encoder and the decoder": x,
        "something comes after the decoder: return what the decoder returns": decoder(z).sigmoid(),
        "something comes between encoder and decoder: the decoder gets z as it is": decoder(z.relu()),
        "forward returns the difference to x: return x_hat": decoder(z) - x,
        "x is added to the output: return what the decoder returns": decoder(z) + x,
    }
    compare(x_hat, decoder(z), mistakes, "x_hat is decoder(encoder(x)), nothing else")
    model.zero_grad()
    if x_hat.requires_grad:
        x_hat.square().sum().backward()
    for name, part in parts.items():
        if any(parameter.grad is None for parameter in part.parameters()):
            raise Wrong(f"no gradient reaches the {name}: detach or no_grad on the way cuts it off")


def _output(model: nn.Module, parts: dict[str, nn.Module], x: Tensor) -> Any:
    """What ``forward`` returns; an error is explained by the parts it called."""
    calls: list[str] = []
    hooks = [part.register_forward_pre_hook(lambda *_, name=name: calls.append(name)) for name, part in parts.items()]
    try:
        return called(model, x)
    except RuntimeError:
        if calls[:1] == ["decoder"]:
            raise Wrong("the decoder is called first: it needs a code, which the encoder makes of x") from None
        if calls == ["encoder", "encoder"]:
            raise Wrong("the encoder is called twice: its code is for the decoder") from None
        raise
    finally:
        for hook in hooks:
            hook.remove()


# --- a training step -----------------------------------------------------------------------------------------------


def own_training_step(model, x, optimizer):
    """One gradient step on the squared error of a batch; returns that error, from before the step."""
    loss = F.mse_loss(model(x), x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


class _Diary(torch.optim.SGD):
    """Gradient descent that writes down what is called, in which order."""

    def __init__(self, model: nn.Module):
        super().__init__(model.parameters(), lr=5.0)
        self.calls: list[str] = []
        list(model.parameters())[-1].register_hook(lambda gradient: self.calls.append("backward"))

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.calls.append("zero_grad")
        super().zero_grad(set_to_none)

    def step(self, closure: Any = None) -> Any:
        self.calls.append("step")
        return super().step(closure)


@your_turn(own_training_step)
def training_step(answer) -> str:
    """``answer(model, x, optimizer)``: one gradient step on the mean squared error, which comes back as a float."""
    models = [_toy_model(), _toy_model()]
    diaries = [_Diary(model) for model in models]
    weights = [_weights(models[0])]
    for number in range(3):
        x = torch.rand(4, 1, 28, 28)
        x_hat = models[1](x).detach()
        wanted = own_training_step(models[1], x, diaries[1])
        diaries[0].calls.clear()
        loss = _loss(answer, models[0], x, diaries[0])
        mistakes = _wrong_losses(x_hat, x, after=F.mse_loss(models[0](x), x))
        compare(loss, wanted, mistakes, "the loss is not the mean squared error of model(x) against x")
        weights.append(_weights(models[0]))
        if not close(weights[-1], _weights(models[1])):
            raise Wrong(_why(diaries[0].calls, weights[-1] - weights[-2], _weights(models[1]) - weights[-2], number))
    if not models[0].training:
        raise Wrong("the model is left in evaluation mode, in which layers such as dropout do not train")
    return "clear the gradients, compute new ones, step: the same weights as the course's after three batches"


def _toy_model() -> Autoencoder:
    torch.default_generator.manual_seed(1)
    return Autoencoder(*_toy_parts().values())


def _weights(model: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


def _loss(answer: Any, model: nn.Module, x: Tensor, optimizer: _Diary) -> float:
    try:
        loss = called(lambda x: answer(model, x, optimizer), x)
    except (RuntimeError, AttributeError) as error:
        for words, sentence in {
            "does not require grad": "the loss has no graph to go back through: detach, no_grad or .data cuts it off",
            "second time": "backward() is called twice on one loss: once is enough",
            "'float' object has no attribute": ".item() comes too early: backward() needs the tensor",
        }.items():
            if words in str(error):
                raise Wrong(sentence) from None
        raise
    if isinstance(loss, Tensor) and loss.requires_grad:
        raise Wrong("the loss comes back with its graph, which keeps all of it in memory: return a float")
    if isinstance(loss, Tensor):
        raise Wrong("the loss comes back as a tensor: return a float")
    if not isinstance(loss, float):
        raise Wrong(f"a {type(loss).__name__} comes back: return the loss as a float")
    return loss


def _wrong_losses(x_hat: Tensor, x: Tensor, after: Tensor) -> dict[str, Tensor | float]:
    squared = (x_hat - x).square()
    return {
        "this is the loss after the step: return the one whose gradient was taken": after,
        "the output is compared with itself: the target is x": 0.0,
        "the output is compared with zeros: the target is x": x_hat.square().mean(),
        "x is compared with zeros: the output of the model is missing": x.square().mean(),
        "the output is compared with another image: the order of the batch is changed": F.mse_loss(x_hat, x.flip(0)),
        "this is the sum of the squared errors: take the mean": squared.sum(),
        "this is summed over the pixels: take the mean": squared.flatten(1).sum(1).mean(),
        "these are absolute errors: square them": (x_hat - x).abs().mean(),
        "the sign is wrong: a squared error is never negative": -squared.mean(),
        "this is half of the error: there is no factor 1/2": squared.mean() / 2,
        "this is the root of the error: leave the root away": squared.mean().sqrt(),
    }


def _why(calls: list[str], moved: Tensor, wanted: Tensor, number: int) -> str:
    """Why the weights moved otherwise than they should, in the step of this number."""
    if not moved.any():
        return _why_not_moved(calls)
    if close(moved, -wanted):
        return "the weights move up the loss, not down: backward() starts from the loss itself"
    if calls.count("step") > 1:
        return f"{calls.count('step')} steps are made: one per batch is expected"
    if number > 0:
        return "the first step is right, later ones are not: without zero_grad() old gradients are added to new ones"
    if calls.count("backward") > 1:
        return "backward() is called more than once: its gradients add up"
    return "the loss is right, but the weights move by other amounts: does backward() start from this loss?"


def _why_not_moved(calls: list[str]) -> str:
    if "backward" not in calls:
        return "the weights have not moved: no gradient was computed, backward() is missing"
    if "step" not in calls:
        return "the weights have not moved: there is a gradient, but no optimizer.step()"
    if calls.index("step") < calls.index("backward"):
        return "the weights have not moved: step() comes before backward(), when there is no gradient yet"
    if "zero_grad" in calls[calls.index("backward") :]:
        return "the weights have not moved: zero_grad() comes after backward() and clears the new gradient"
    return "the weights have not moved, or were set back"


# --- layers --------------------------------------------------------------------------------------------------------


def own_relu_layers(*widths):
    """Linear layers between the widths with ReLU between them, none after the last."""
    layers = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out), nn.ReLU()]
    return layers[:-1]


@your_turn(own_relu_layers)
def relu_layers(answer) -> str:
    """``answer(*widths)``: a list of linear layers between the widths, with ReLU between them, none after the last."""
    for widths in WIDTHS:
        layers = _modules(called(answer, *widths))
        linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
        _check_linear(linear, widths)
        _check_relu(layers, linear)
    return "a ReLU between any two linear layers, none on the code"


def _modules(layers: Any) -> list[Any]:
    if not isinstance(layers, list | tuple | nn.Sequential | nn.ModuleList):
        raise Wrong(f"a list of layers is expected, but a {type(layers).__name__} came back")
    for layer in layers:
        if layer is ...:
            raise NotAnswered
        if isinstance(layer, list | tuple):
            raise Wrong("there is a list within the list: extend it (+=) rather than append")
        if isinstance(layer, type):
            raise Wrong(f"{layer.__name__} is a class: {layer.__name__}() makes a layer of it")
        if not isinstance(layer, nn.Module):
            raise Wrong("a layer is a module: nn.ReLU(), not the function relu")
    return list(layers)


def _check_linear(linear: list[nn.Linear], widths: tuple[int, ...]) -> None:
    sizes, wanted = [(layer.in_features, layer.out_features) for layer in linear], list(pairwise(widths))
    if len(sizes) != len(wanted):
        raise Wrong(f"between {len(widths)} widths the number of linear layers is {len(wanted)}, not {len(sizes)}")
    if sizes == [(width_out, width_in) for width_in, width_out in wanted]:
        raise Wrong("nn.Linear(in, out) takes the input's width first: the two are swapped")
    if sizes != wanted:
        raise Wrong(f"the widths {widths} need linear layers {wanted}, but they are {sizes}")
    if any(layer.bias is None for layer in linear):
        raise Wrong("the layers have no bias: W x + b needs one")
    if len(set(linear)) < len(linear):
        raise Wrong("one layer is used twice: make a new one for each pair of widths")


def _check_relu(layers: list[nn.Module], linear: list[nn.Linear]) -> None:
    between = [layer for layer in layers if not isinstance(layer, nn.Linear)]
    strange = [type(layer).__name__ for layer in between if not isinstance(layer, nn.ReLU)]
    if strange:
        raise Wrong(f"{strange[0]} stands between the layers: ReLU is expected, nothing else")
    if isinstance(layers[-1], nn.ReLU):
        raise Wrong("a ReLU comes after the last layer: codes may be negative, so none belongs there")
    if isinstance(layers[0], nn.ReLU):
        raise Wrong("a ReLU comes before the first layer: it belongs between two layers")
    if len(linear) > 1 and not between:
        raise Wrong("there is no ReLU: linear layers on top of each other are one linear layer")
    if len(between) > len(linear) - 1:
        raise Wrong("there are too many ReLUs: one between two layers is enough")
    if any(isinstance(layer, nn.ReLU) is (number % 2 == 0) for number, layer in enumerate(layers)):
        raise Wrong("two linear layers follow each other: a ReLU belongs between any two")
