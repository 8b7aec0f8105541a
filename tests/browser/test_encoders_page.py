"""The encoder of every recipe, evaluated by the page: its codes are the kernel's, for the same rounded weights."""

import base64
import json

import numpy as np
import pytest
import torch
from pictures import lively, quiet_tab
from torch import nn

from ae_utils.models import CVAE
from ae_utils.networks.dense import Affine
from ae_utils.recipes.registry import RECIPES
from ae_utils.widgets.assets import asset
from ae_utils.widgets.graph import encoder_graph, page_graph, page_network

ENCODERS = [recipe for recipe in RECIPES.values() if hasattr(recipe.build(), "encoder")]
PAGE = """<!doctype html><title>encoders</title><script type="module">
SCRIPT
const bytes = (name, value) => value?.base64 === undefined ? value
  : new DataView(Uint8Array.from(atob(value.base64), (c) => c.charCodeAt(0)).buffer);
globalThis.evaluate = (graph, inputs, labels) => {
  const network = createDecoder(JSON.parse(graph, bytes));
  return inputs.map((input, i) => Array.from(network(Float32Array.from(input), labels?.[i] ?? null)));
};
</script>"""


@pytest.fixture(scope="module")
def evaluate(browser, tmp_path_factory):
    """A function from a graph, inputs and labels to what the page makes of them."""
    path = tmp_path_factory.mktemp("page") / "encoders.html"
    path.write_text(PAGE.replace("SCRIPT", asset("network.js")), encoding="utf-8")
    with quiet_tab(browser, offline=True) as tab:
        tab.goto(path.as_uri())

        def evaluated(graph, inputs, labels=None):
            packed = json.dumps(graph, default=lambda data: {"base64": base64.b64encode(data).decode("ascii")})
            arguments = [packed, inputs.flatten(1).tolist(), None if labels is None else labels.tolist()]
            return torch.tensor(tab.evaluate("([graph, x, labels]) => evaluate(graph, x, labels)", arguments))

        yield evaluated


def assert_close(shown, expected):
    """Codes agree to 1e-4 of the largest number in each."""
    difference = (shown - expected).abs().amax(1) / expected.abs().amax(1)
    assert difference.max() < 1e-4, f"codes differ by {difference.max():.1e} of their largest number"


@pytest.mark.parametrize("recipe", ENCODERS, ids=lambda recipe: recipe.name)
@torch.no_grad()
def test_page_and_kernel_agree_on_codes_and_pictures(recipe, evaluate, test):
    model, x, label = lively(recipe.build()).eval(), test.x[:8], test.label[:8]
    labels = label if isinstance(model, CVAE) else None
    low, high = getattr(model, "pixel_range", (0, 1))
    encoder = nn.Sequential(Affine(high - low, low), model.encoder)
    graph = encoder_graph(encoder, x, page_network(encoder, "float32")(x, labels), labels)
    codes = page_network(encoder, graph["dtype"])(x, labels)
    assert_close(evaluate(graph, x, labels), codes)
    assert (codes[0] - codes[1]).abs().max() > 1e-2 * codes.abs().max()  # they do depend on the image

    z = codes[:, : model.latent_dim]
    decoder = nn.Sequential(model.decoder, model.output_activation)
    graph = page_graph(decoder, z, page_network(decoder, "float32")(z, labels), labels)
    pictures = page_network(decoder, graph["dtype"])(z, labels).flatten(1)
    assert np.abs(evaluate(graph, z, labels) - pictures).max() < 1 / 255


@torch.no_grad()
def test_a_pool_of_overlapping_windows_with_padding(evaluate):
    pool = nn.Sequential(nn.MaxPool2d(3, stride=2, padding=1), nn.Flatten())
    x = torch.randn(4, 2, 9, 7, generator=torch.Generator().manual_seed(0)) - 3  # below 0: the padding must not win
    assert torch.equal(evaluate(encoder_graph(pool, x, pool(x)), x), pool(x))
