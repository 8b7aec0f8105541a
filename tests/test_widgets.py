"""The explorer's arguments, its code from Python, graphs, the page's file, and the plot that follows a training."""

import json
import math

import pytest
import torch
from torch import nn

from ae_utils.errors import InvalidInput
from ae_utils.models import CVAE, Autoencoder, LatentFlow
from ae_utils.networks.conditional import ConcatLabel, ConditionalSequential
from ae_utils.recipes.registry import RECIPES
from ae_utils.training.loop import History, TrainState
from ae_utils.widgets import live
from ae_utils.widgets.explorer import LatentExplorer
from ae_utils.widgets.graph import MOST_MULTIPLY_ADDS
from ae_utils.widgets.live import LivePlot
from ae_utils.widgets.page import write_page
from ae_utils.widgets.state import ExplorerState

CODES = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))


def decoder(inputs=2, *layers):
    return nn.Sequential(nn.Linear(inputs, 784), *layers, nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28)))


def conditional():
    return ConditionalSequential(ConcatLabel(), decoder(2 + 10))


@pytest.fixture
def explorer():
    return LatentExplorer(decoder(), 2)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({}, "latent_dim must be"),
        ({"latent_dim": 0}, "latent_dim must be"),
        ({"latent_dim": 2.0}, "latent_dim must be"),
        ({"latent_dim": 2, "slider_range": 0}, "slider_range must be"),
        ({"latent_dim": 2, "slider_range": math.nan}, "slider_range must be"),
        ({"latent_dim": 3, "codes": CODES}, "codes must have 3 columns"),
        ({"codes": CODES[0]}, "codes must have the shape"),
        ({"codes": CODES[:0]}, "codes must have the shape"),
        ({"codes": CODES / 0}, "codes must be finite"),
        ({"latent_dim": 2, "labels": [1, 2]}, "labels must be one for each of 0 codes"),
        ({"codes": CODES, "labels": [1, 2]}, "labels must be one for each of 200 codes"),
        ({"codes": CODES, "labels": torch.full((200,), 10)}, "whole numbers from 0 to 9"),
        ({"codes": CODES, "labels": torch.zeros(200)}, "whole numbers from 0 to 9"),
        ({"latent_dim": 2, "label_choices": [1, 10]}, "label_choices must be"),
        ({"latent_dim": 2, "images": torch.zeros(1, 1, 28, 28)}, "images come with codes"),
        ({"codes": CODES, "images": torch.zeros(3, 1, 28, 28)}, r"images must have the shape \(200, 1, h, w\)"),
        ({"codes": CODES, "images": torch.full((200, 1, 28, 28), 2.0)}, r"images must be images in \[0, 1\]"),
    ],
)
def test_arguments_that_do_not_fit_get_a_sentence(arguments, words):
    with pytest.raises(InvalidInput, match=words):
        LatentExplorer(decoder(), **arguments)


@pytest.mark.parametrize("wrong", [nn.Linear(2, 784), lambda z: None, lambda z: torch.zeros(len(z), 3, 28, 28)])
def test_a_decoder_must_return_images(wrong):
    with pytest.raises(InvalidInput, match="must return images"):
        LatentExplorer(wrong, 2)


def test_the_code_is_read_set_and_observed(explorer):
    seen = []
    explorer.observe(lambda change: seen.append(change["new"]), "z")
    assert explorer.z == (0.0, 0.0)
    explorer.z = torch.tensor([1.0, -2.0])
    explorer.z = [0, 1]
    assert seen == [(1.0, -2.0), (0.0, 1.0)]
    for wrong in ([1.0], [1.0, math.inf], [1.0, 2.0, 3.0]):
        with pytest.raises(InvalidInput, match="z must be 2 finite numbers"):
            explorer.z = wrong
    assert explorer.z == (0.0, 1.0)


def test_labels_choose_the_class():
    explorer = LatentExplorer(conditional(), 2, label_choices=[3, 8])
    assert explorer.label == 3 and explorer.reason is None
    assert not torch.equal(explorer.picture(label=8), explorer.picture())
    with pytest.raises(InvalidInput, match="label must be one of"):
        explorer.label = 4


def test_codes_give_the_ranges_and_the_start():
    state = LatentExplorer(decoder(), codes=CODES, labels=torch.arange(200) % 10)._state
    assert torch.tensor(state["low"]).allclose(CODES.quantile(0.005, dim=0))
    assert torch.tensor(state["start"]).allclose(CODES.median(0).values)
    assert len(state["codes"]) == 200 * 2 * 4 and len(state["labels"]) == 200
    unused = LatentExplorer(decoder(), codes=torch.ones(50, 2))._state
    assert unused["low"] == [0.0, 0.0] and unused["high"] == [2.0, 2.0]


def test_images_give_the_start_its_label_and_thumbnails():
    images, labels = torch.rand(200, 1, 28, 28), torch.arange(3, 203) % 10
    explorer = LatentExplorer(conditional(), codes=CODES, labels=labels, images=images, label_choices=range(10))
    assert explorer.z == pytest.approx(CODES[0].tolist()) and explorer.label == 3
    assert explorer._state["thumbnails"]["size"] == (28, 28)
    many = ExplorerState(decoder(), codes=CODES.repeat(20, 1), images=images.repeat(20, 1, 1, 1)).for_page()
    assert len(many["codes"]) == 1000 * 2 * 4 and many["thumbnails"]["columns"] == 32


def test_the_dimensions_that_change_the_image_most_come_first():
    wide = decoder(12)
    with torch.no_grad():
        wide[0].weight *= torch.tensor([0.1, 3, 0.2, 1, 0.3, 0.4, 0, 0.5, 2, 0.6, 0.7, 0.8])
    state = LatentExplorer(wide, 12)._state
    assert state["order"][:3] == [1, 8, 3] and state["order"][-1] == 6 and sorted(state["order"]) == list(range(12))
    assert LatentExplorer(decoder(8), 8)._state["order"] is None  # eight sliders find room
    rows = ExplorerState(wide, 12).traversals(rows=2, columns=3)
    assert torch.equal(rows[:3], ExplorerState(wide, 12).decode(torch.tensor([-3.0, 0, 3])[:, None] * torch.eye(12)[1]))


def test_a_model_brings_its_latent_dim_and_stays_in_training_mode():
    model = Autoencoder(nn.Identity(), decoder(2, nn.BatchNorm1d(784)), 2).train()
    before = {name: values.clone() for name, values in model.state_dict().items()}
    explorer = LatentExplorer(model.decode)
    assert explorer.reason is None and len(explorer.z) == 2
    assert all(part.training for part in model.modules())
    assert all(torch.equal(values, before[name]) for name, values in model.state_dict().items())


@pytest.mark.parametrize(
    "layers, reason",
    [
        ([nn.GELU()], "GELU is not a layer"),
        ([nn.Unflatten(1, (4, 14, 14)), nn.Conv2d(4, 4, 1, groups=2), nn.Flatten()], "groups"),
        ([nn.Unflatten(1, (1, 28, 28)), nn.Upsample(scale_factor=1, mode="bilinear"), nn.Flatten()], "bilinear"),
        ([nn.Linear(784, MOST_MULTIPLY_ADDS // 784), nn.Linear(MOST_MULTIPLY_ADDS // 784, 784)], "5 million"),
    ],
)
def test_what_the_page_cannot_run_is_left_to_the_kernel(layers, reason):
    explorer = LatentExplorer(decoder(2, *layers), 2)
    assert reason in explorer.reason and "graph" not in explorer._state
    sent = []
    explorer.send = lambda *message: sent.append(message)
    explorer._decode_for_page(explorer, {"id": 7, "z": [0, 1], "label": None}, [])
    explorer._decode_for_page(explorer, {"id": 8, "z": [0], "label": None}, [])
    assert sent[0] == ({"id": 7}, [explorer.picture([0, 1]).numpy().tobytes()])
    assert sent[1][0]["id"] == 8 and "error" in sent[1][0]


def test_a_decode_that_is_more_than_its_layers_is_left_to_the_kernel():
    class Inverted(Autoencoder):
        def decode(self, z, label=None):
            return 1 - super().decode(z)

    assert "do not give the images" in LatentExplorer(Inverted(nn.Identity(), decoder(), 2)).reason


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES.values() if recipe.name != "digit-classifier"])
def test_the_page_runs_the_decoder_of_every_recipe(recipe):
    model = recipe.build()
    choices = tuple(range(10)) if isinstance(model, CVAE | LatentFlow) else ()
    assert ExplorerState(getattr(model, "generator", model), choices=choices).graph()["ops"]


def test_half_precision_only_where_it_is_enough():
    assert LatentExplorer(decoder(), 2)._state["graph"]["dtype"] == "float16"
    sharp = decoder()
    nn.init.normal_(sharp[0].weight, std=300)
    assert LatentExplorer(sharp, 2)._state["graph"]["dtype"] == "float32"


def test_readers_without_a_kernel_get_a_picture_and_a_line(explorer):
    bundle, _ = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == "LatentExplorer: 2 sliders; run the notebook to move them"
    assert bundle["image/png"].startswith(b"\x89PNG") and b"Software" not in bundle["image/png"]
    wide, _ = LatentExplorer(decoder(20), 20)._repr_mimebundle_()
    assert len(wide["image/png"]) < 100_000


def test_the_page_is_one_file_that_fetches_nothing(tmp_path):
    path = write_page(tmp_path / "page.html", decoder(), 2, codes=CODES, title="</title> & more")
    page = path.read_text(encoding="utf-8")
    assert "<title>&lt;/title&gt; &amp; more</title>" in page
    assert "http" not in page.replace("http-equiv", "") and "import " not in page.split("<script")[2]
    state = json.loads(page.split('id="state">')[1].split("</script>")[0])
    assert state["low"] == LatentExplorer(decoder(), codes=CODES)._state["low"]
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_a_page_that_cannot_be_gets_a_sentence(tmp_path):
    with pytest.raises(InvalidInput, match="cannot run in a page: GELU is not a layer"):
        write_page(tmp_path / "page.html", decoder(2, nn.GELU()), 2)
    with pytest.raises(OSError, match="cannot be written"):
        write_page(tmp_path, decoder(), 2)
    assert list(tmp_path.iterdir()) == []


class Screen:
    """Stands for the notebook: remembers what is displayed and updated."""

    def __init__(self):
        self.shown = []

    def display(self, data, **options):
        self.shown.append(data)
        return self

    update = display


@pytest.fixture
def screen(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(live, "display", screen.display)
    return screen


def train(plot, epochs=2, batches=30):
    history = History()
    for epoch in range(epochs):
        for batch in range(batches):
            terms = {"loss": torch.tensor(1 / (1 + epoch + batch / batches)), "kl": torch.tensor(0.5)}
            state = TrainState(None, history, epoch, epochs, batch, batches, terms)
            for hook in plot.hooks["on_batch_end"]:
                hook(state)
        for split in ("train", "test"):
            history.rows.append({"epoch": epoch + 1, "split": split, "loss": 0.25, "kl": 0.5})
        for hook in plot.hooks["on_epoch_end"]:
            hook(state)


def test_the_live_plot_leaves_one_tidy_figure(screen):
    plot = LivePlot(every=1000)
    train(plot)
    assert len(screen.shown) == 2  # the first batch and the end
    assert {data["text/plain"] for data in screen.shown} == {"LivePlot: the training's curves"}
    loss, kl = plot.figure.axes
    assert plot.figure.get_suptitle() == "2 epochs: loss 0.25 (train), 0.25 (test)"
    assert (loss.get_ylabel(), kl.get_ylabel()) == ("loss", "KL")
    batches, train_means, test_means = loss.lines
    assert len(batches.get_xdata()) == 2 * 15  # every two of an epoch's thirty batches
    assert list(train_means.get_xdata()) == [0.5, 1.5] and list(test_means.get_xdata()) == [1, 2]


def test_a_second_training_gets_a_figure_of_its_own(screen):
    plot = LivePlot(every=1000)
    train(plot)
    first = plot.figure
    train(plot, epochs=1)
    assert plot.figure is not first and len(screen.shown) == 4
    assert plot.figure.get_suptitle().startswith("1 epoch:")
