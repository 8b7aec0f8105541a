"""The studio in the kernel: what it measures, stores and hands to the page, its image, and what it refuses."""

import json

import pytest
import torch
from studio_models import MODELS, classifier, small_studio, small_vae, tanh_autoencoder
from torch import nn

from ae_utils.__main__ import main
from ae_utils.data.weights import metadata
from ae_utils.errors import InvalidInput
from ae_utils.metrics.images import mse, reconstruct
from ae_utils.models import Autoencoder
from ae_utils.networks.dense import dense_decoder, dense_encoder
from ae_utils.runs import studio
from ae_utils.runs.pretrained import pretrained
from ae_utils.runs.studio import STORED, Studio, measure
from ae_utils.widgets.graph import Unsupported, encoder_graph
from ae_utils.widgets.studio import StudioWidget
from ae_utils.widgets.studio_state import MOST_SLIDERS, StudioModel


@pytest.fixture(scope="module")
def widget(test):
    return small_studio(test)


def test_quantiles_of_the_errors_rank_an_image(test):
    model = tanh_autoencoder()
    statistics, errors = measure(model, test), mse(reconstruct(model, test), test.target)
    assert statistics.errors == sorted(statistics.errors)
    assert statistics.errors[0] == pytest.approx(float(errors.min()), rel=1e-4)
    middle = statistics.errors[len(statistics.errors) // 2]
    assert float((errors < middle).double().mean()) == pytest.approx(0.5, abs=0.01)
    assert statistics.negative_elbo is None


def test_sliders_are_for_the_dimensions_that_vary_most(test):
    model = MODELS["wide"]()
    statistics = measure(model, test)
    std = model.encode(test.x).std(0)
    left_out = sorted(set(range(model.latent_dim)) - set(statistics.dimensions))
    assert len(statistics.dimensions) == MOST_SLIDERS == len(statistics.low) == len(statistics.high)
    assert std[left_out].max() <= std[statistics.dimensions].min()
    assert all(low < high for low, high in zip(statistics.low, statistics.high, strict=True))


def test_a_vae_is_measured_by_its_bound_too(test):
    assert 0 < measure(small_vae(), test).negative_elbo < 5000


def test_the_state_holds_two_graphs_of_each_model_and_ten_test_digits_of_each_class(widget):
    state = widget._state
    assert [model["name"] for model in state["models"]] == list(MODELS)
    assert all(model[part]["ops"] for model in state["models"] for part in ("encoder", "decoder"))
    assert list(state["labels"]) == sorted(list(range(10)) * 10) and len(state["digits"]) == 100 * 784
    assert [name for name, model in zip(MODELS, state["models"], strict=True) if "map" in model] == ["vae"]
    assert state["flow"]["codes of"] == "tanh" and "ops" in state["flow"]["graph"]


def test_the_image_that_the_models_see_is_read_and_set(widget, test):
    widget.image = test.x[3]
    assert torch.allclose(widget.image, test.x[3], atol=1e-6)
    for wrong in (torch.zeros(27, 28), torch.full((1, 28, 28), 1.5), torch.full((1, 28, 28), float("nan"))):
        with pytest.raises(InvalidInput, match=r"^image must be \(1, 28, 28\) with pixels in \[0, 1\]"):
            widget.image = wrong
    assert torch.allclose(widget.image, test.x[3], atol=1e-6)


def test_reconstructions_are_the_models_own(widget, test):
    seen = widget.reconstructions(test.x[0], label=4)
    assert seen.keys() == MODELS.keys()
    assert torch.equal(seen["vae"], small_vae().decode(small_vae().encode(test.x[:1]))[0])
    assert torch.equal(seen["tanh"], reconstruct(tanh_autoencoder(), test[:1])[0])
    assert not torch.equal(seen["cvae"], widget.reconstructions(test.x[0], label=5)["cvae"])


def test_readers_without_a_kernel_see_the_same_picture_whatever_is_drawn(widget, test):
    before = widget._repr_mimebundle_()[0]
    widget.image = test.x[7]
    after = widget._repr_mimebundle_()[0]
    assert before["image/png"] == after["image/png"] and before["image/png"].startswith(b"\x89PNG")
    assert before["text/plain"] == "Studio: 4 models side by side; run the notebook to draw"


def test_the_page_is_one_file_that_fetches_nothing(widget, tmp_path):
    page = widget.write(tmp_path / "studio.html").read_text(encoding="utf-8")
    assert "http" not in page.replace("http-equiv", "") and "<title>Autoencoder studio</title>" in page
    assert "import " not in page.split('<script type="module">')[1]


def test_what_the_page_cannot_run_is_named(test):
    gelu = Autoencoder(nn.Sequential(dense_encoder((3,)), nn.GELU()), dense_decoder((3,)), 3).eval()
    with pytest.raises(InvalidInput, match=r"^mine cannot run in the studio: GELU is not a layer"):
        StudioWidget({"mine": StudioModel(gelu, "", measure(gelu, test))}, classifier(), test)
    with pytest.raises(InvalidInput, match="at least one model"):
        StudioWidget({}, classifier(), test)


def test_pools_with_gaps_and_encoders_that_do_more_than_their_layers_are_refused(test):
    dilated = nn.Sequential(nn.MaxPool2d(2, dilation=2), nn.Flatten())
    with pytest.raises(Unsupported, match="MaxPool2d with dilation"):
        encoder_graph(dilated, test.x[:2], dilated(test.x[:2]))
    for wrong in (torch.zeros(2, 784), torch.zeros(2, 5)):
        with pytest.raises(Unsupported, match="do not give the codes that encode gives"):
            encoder_graph(nn.Flatten(), test.x[:2], wrong + 1)


@pytest.fixture
def few(monkeypatch, test):
    """The studio on 500 test digits and two of the course's models."""
    monkeypatch.setattr(studio, "mnist", lambda split: test)
    monkeypatch.setattr(studio, "MODELS", dict.fromkeys(("pca-ae", "vae-2d"), "one of the course's"))


def test_the_course_s_models_stand_beside_one_s_own(few):
    shown = Studio({"mine": small_vae()})
    assert [model["name"] for model in shown._state["models"]] == ["pca-ae", "vae-2d", "mine"]
    with pytest.raises(InvalidInput, match="own must hold autoencoders and VAEs, but mine is a Linear"):
        Studio({"mine": nn.Linear(2, 2)})


def test_statistics_are_stored_with_the_weights_they_are_of(few, monkeypatch, tmp_path, test):
    monkeypatch.setattr(studio, "data_folder", lambda: tmp_path)
    measured = studio._statistics("pca-ae")
    path = studio.write_statistics()
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert path.name == STORED and stored["pca-ae"]["sha256"] == metadata("pca-ae")["sha256"]
    stored["pca-ae"]["errors"][0] = -1.0
    path.write_text(json.dumps(stored), encoding="utf-8")
    assert studio._statistics("pca-ae").errors[0] == -1  # read, not measured
    stored["pca-ae"]["sha256"] = "of other weights"
    path.write_text(json.dumps(stored), encoding="utf-8")
    assert studio._statistics("pca-ae") == measured


def test_what_is_stored_with_the_course_is_of_its_weights(test):
    stored = studio._stored(studio.data_folder() / STORED)
    assert stored.keys() == studio.MODELS.keys()
    for name, entry in stored.items():
        assert entry["sha256"] == metadata(name)["sha256"]
        model = pretrained(name)
        rank = float((mse(reconstruct(model, test), test.target) < entry["errors"][100]).double().mean())
        assert 0.35 < rank < 0.65, f"{name}: half of the errors should lie below the median, but {rank} do"


def test_the_command_writes_a_page_and_opens_it(few, monkeypatch, tmp_path, capsys):
    opened = []
    monkeypatch.setattr("click.launch", opened.append)
    assert main(["studio", "--html", str(tmp_path / "studio.html"), "--open"]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'studio.html'}: open it in any browser")
    assert opened == [(tmp_path / "studio.html").as_uri()] and (tmp_path / "studio.html").stat().st_size > 500_000
