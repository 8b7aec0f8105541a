"""A course of one short lesson that has a widget of every kind, so that a book of it is made in seconds."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

TITLE = "# Lesson 01: A short lesson\n\n**What is alive here?** Everything that moves."
FORMULA = (
    "## The bound\n\nA code $z_1$, and the bound\n\n$$\\log p(x) \\ge \\mathbb{E}_q \\log p(x \\mid z).$$\n\n"
    "More about the [KL term](glossary.md#kl-term), and the [solutions](solutions/01_short.ipynb).\n\n"
    "<details><summary>Hint</summary>\n\n```python\nz = 1\n```\n\n</details>"
)
CELLS = {
    "imports": """\
import torch
from torch import nn
from ae_utils.models import Autoencoder, LatentFlow
from ae_utils.networks.dense import dense_decoder, dense_encoder
from ae_utils.networks.velocity import VelocityNetwork
from ae_utils.widgets.cloud import CodeCloud
from ae_utils.widgets.explorer import LatentExplorer
from ae_utils.widgets.flow_explorer import FlowExplorer
from ae_utils.widgets.player import Player
from ae_utils.widgets.predict import Predict
torch.manual_seed(0)
print("ready")""",
    "player": 'Player(torch.rand(4, 1, 8, 8), ["one", "two", "three", "four"], title="four frames")',
    "predict": 'Predict("What is `1 + 1`?", ["one", "two"], answer=1, why="Count.")',
    "explorer": """\
layers = nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28))
decoder = nn.Sequential(*layers)
for parameter in decoder.parameters():
    nn.init.normal_(parameter)
z, label = torch.randn(300, 3), torch.arange(300) % 10
explorer = LatentExplorer(decoder, codes=z, labels=label)
explorer""",
    "again": "LatentExplorer(decoder, 3)",
    "flow": """\
autoencoder = Autoencoder(dense_encoder((16, 3)), dense_decoder((3, 16)), 3)
FlowExplorer(LatentFlow(autoencoder, VelocityNetwork(3, 16, 1), steps=10).eval())""",
    "kernel": "LatentExplorer(lambda z: torch.sigmoid(z[:, :1, None, None].expand(-1, 1, 8, 8)), 2)",
    "cloud": "CodeCloud(z, label, torch.rand(300, 1, 8, 8), explorer)",
}
CLAIM = "assert 1 + 1 == 2\nprint('checked')"
SEE = "**What to see.** Four frames of noise. Nothing else moves."
RESULTS = ("scoreboard", "speedrun", "turns", "probes")


def write_course(folder: Path) -> Path:
    """Write the course's files below ``folder`` and return it."""
    lesson = [new_markdown_cell(TITLE, id="title"), new_markdown_cell(FORMULA, id="formula")]
    for name, source in CELLS.items():
        lesson.append(new_code_cell(source, id=name))
        if name == "player":
            lesson.append(new_markdown_cell(SEE, id="see"))
    lesson.append(new_code_cell(CLAIM, id="claim", metadata={"tags": ["claims"]}))
    answers = [new_markdown_cell("# Solutions to lesson 01\n\nOf [the lesson](../01_short.ipynb).", id="title")]
    for path, cells in (("01_short", lesson), ("solutions/01_short", [*answers, new_code_cell("1 + 1", id="sum")])):
        file = folder / "notebooks" / f"{path}.ipynb"
        file.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=cells), file)
    (folder / "notebooks" / "pictures").mkdir()
    (folder / "notebooks" / "glossary.md").write_text("# Glossary\n\n### KL term\nA term of the loss.\n")
    (folder / "results").mkdir()
    for name in RESULTS:
        (folder / "results" / f"{name}.md").write_text(f"# The {name}\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    return folder
