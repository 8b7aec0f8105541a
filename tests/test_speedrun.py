"""The speedrun: entry files are listed, limits refuse what cheats, runs go on where they stopped."""

import copy
import dataclasses
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from ae_utils.__main__ import main
from ae_utils.course.machine import processor
from ae_utils.course.speedrun import tracks
from ae_utils.course.speedrun.board import COLUMNS, Speedrun, read
from ae_utils.course.speedrun.page import page, passed
from ae_utils.course.speedrun.tracks import TRACKS, Context, get_track
from ae_utils.course.speedrun.training import Trainer
from ae_utils.errors import InvalidInput
from ae_utils.recipes.speedrun import frechet_half, frechet_patches, mse_conv_fast, registry
from ae_utils.recipes.speedrun.entry import Entry, plan
from ae_utils.recipes.speedrun.mixture import LatentMixture, fit_mixture
from ae_utils.recipes.speedrun.muon import MuonAndAdam
from ae_utils.recipes.speedrun.patches import patch_autoencoder, patch_vae
from ae_utils.training.step import adam

RESULTS = Path(__file__).parents[1] / "results"
ENTRIES = [entry for entries in registry.HISTORY.values() for entry in entries]
FOLDER = Path(registry.__file__).parent
QUICK = Entry(
    "mse", "a quick one", dataclasses.replace(frechet_patches.AUTOENCODER, name="mse-quick", optimizer=partial(adam))
)


@pytest.fixture(scope="module")
def context():
    return Context(2000)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(tracks, "SAMPLES", 5)
    monkeypatch.setitem(registry.HISTORY, "mse", (QUICK,))


def speedrun(folder, **options):
    return Speedrun(folder, folder / "runs", images=600, **options)


class Fixed(nn.Module):
    """A generator that returns the same image for every label: no variety, or copies, as ``images`` has them."""

    latent_dim = 2

    def __init__(self, images):
        super().__init__()
        self.images = images

    def decode(self, z, label=None):
        return self.images[label, torch.arange(len(label)) % self.images.shape[1]]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_every_entry_file_is_listed_and_named_after_its_entry(path):
    if "\nENTRY" not in path.read_text(encoding="utf-8"):
        return
    module = getattr(registry, path.stem, None) or getattr(registry.ideas, path.stem, None)
    assert module is not None, f"{path.name} is not listed in registry.py, nor used in ideas.py"
    assert module.ENTRY.name == path.stem.replace("_", "-")
    assert module.ENTRY in ENTRIES or module.ENTRY in registry.IDEAS


def test_names_are_unique_and_begin_with_the_track():
    everything = [*ENTRIES, *registry.IDEAS]
    assert len({entry.name for entry in everything} | set(TRACKS)) == len(everything) + len(TRACKS)
    assert all(entry.name.startswith(f"{entry.track}-") and entry.changed for entry in everything)
    assert all(entry.track == track for track, entries in registry.HISTORY.items() for entry in entries)
    assert list(registry.HISTORY) == list(TRACKS)


@pytest.mark.parametrize("entry", [*ENTRIES, *registry.IDEAS], ids=lambda entry: entry.name)
def test_every_entry_builds_with_codes_of_at_most_64_numbers_on_the_first_track(entry):
    model = entry.recipe.build()
    if entry.track == "mse":
        assert model.latent_dim <= 64
    if entry.autoencoder:
        model.autoencoder.load_state_dict(entry.autoencoder.build().state_dict())


def test_a_plan_changes_with_settings_and_not_with_names_or_addresses():
    recipe = mse_conv_fast.ENTRY.recipe
    same = dataclasses.replace(
        recipe, name="another", summary="other words", optimizer=partial(adam, lr=2e-2, betas=(0.9, 0.95))
    )
    assert plan(recipe) == plan(same)
    for change in ({"epochs": 5}, {"settings": {"latent_dim": 32}}, {"optimizer": partial(adam, lr=1e-2)}):
        assert plan(dataclasses.replace(recipe, **change)) != plan(recipe)
    assert plan(recipe, recipe) != plan(recipe)


def test_limits_refuse_a_code_that_is_too_large(context):
    class Identity(nn.Module):
        def encode(self, x, label=None):
            return x.flatten(1)

        def decode(self, z, label=None):
            return z.view(-1, 1, 28, 28)

    found = TRACKS["mse"].measure(Identity(), context)
    assert found == {"mse": 0.0, "code_size": 784} and not TRACKS["mse"].passed(found)
    assert TRACKS["mse"].passed({"mse": 0.002, "code_size": 64})
    assert not TRACKS["mse"].passed({"mse": float("nan"), "code_size": 64})


def test_limits_refuse_a_decoder_that_ignores_its_code(context):
    train = context.train
    means = torch.stack([train.x[train.label == digit].mean(0, keepdim=True) for digit in range(10)])
    found = TRACKS["conditional"].measure(Fixed(means), context)
    assert found["within_class_ratio"] == pytest.approx(0, abs=1e-6) and not TRACKS["conditional"].passed(found)


@pytest.mark.parametrize("track", ["frechet", "conditional"])
def test_limits_refuse_copies_of_training_images(context, track):
    train = context.train
    copies = torch.stack([train.x[train.label == digit][:100] for digit in range(10)])
    found = TRACKS[track].measure(Fixed(copies), context)
    assert found["distance_ratio"] < 0.05 and not TRACKS[track].passed(found)


def test_an_unknown_track_is_named():
    with pytest.raises(InvalidInput, match="there is no track 'speed'; the tracks are mse, likelihood"):
        get_track("speed")


def test_likelihood_is_measured_on_every_tenth_image(context, monkeypatch):
    seen = []

    def fake(model, images, *, samples):
        seen.append((len(images), samples))
        return torch.tensor([-88.0, -87.0])

    monkeypatch.setattr(tracks, "log_likelihood", fake)
    found = TRACKS["likelihood"].measure(nn.Identity(), context)
    assert found == {"log_likelihood": -87.5} and TRACKS["likelihood"].passed(found)
    assert seen == [(-(-len(context.test) // 10), 5)]


def test_one_component_is_the_gaussian_of_its_class(train):
    torch.manual_seed(0)
    model = LatentMixture(patch_autoencoder(4, 8), 1)
    with torch.no_grad():
        model.autoencoder.encoder[-1].weight.mul_(100)  # far more than what is added to the variances
        z = model.autoencoder.eval().encode(train.x)
    fit_mixture(model, train)
    drawn = model.codes(torch.randn(20_000, 5), torch.full((20_000,), 3))
    own = z[train.label == 3]
    std = own.std(0)
    assert ((drawn.mean(0) - own.mean(0)) / std).abs().max() < 0.05
    assert (torch.cov(drawn.T) - torch.cov(own.T)).div(std[:, None] * std).abs().max() < 0.05


def test_components_are_drawn_as_often_as_their_clusters_have_codes():
    model = LatentMixture(patch_autoencoder(2, 8), 2)
    model.means[:, 1], model.cumulative[:, 0] = 1.0, 0.25
    drawn = model.codes(torch.randn(20_000, 3), torch.zeros(20_000, dtype=torch.int64))
    assert float((drawn[:, 0] > 0.5).double().mean()) == pytest.approx(0.75, abs=0.02)


def test_a_mixture_refuses_what_it_cannot_fit_or_decode(train):
    model = LatentMixture(patch_autoencoder(4, 8), 40)
    with pytest.raises(InvalidInput, match="fit_mixture expects 40 images of every label"):
        fit_mixture(model, train[:100])
    with pytest.raises(InvalidInput, match="give it a label"):
        model.decode(torch.zeros(2, 5))


def test_patches_make_images_and_logits(test):
    assert patch_autoencoder(64, 16)(test.x[:3]).x_hat.shape == (3, 1, 28, 28)
    output = patch_vae(8, 16, 32, 16, 2)(test.x[:3])
    assert output.logits.shape == (3, 1, 28, 28) and output.log_prior.shape == (3,)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has no Muon before 2.9")
def test_muon_trains_matrices_adam_the_rest_and_both_are_restored():
    torch.manual_seed(0)
    layer, x = nn.Linear(4, 4), torch.randn(8, 4)
    before = layer.weight.clone()
    optimizer = MuonAndAdam(layer.parameters(), lr=0.1, adam_lr=0.1)
    assert [len(group["params"]) for group in optimizer.param_groups] == [1, 1]

    def step():
        optimizer.zero_grad()
        layer(x).square().mean().backward()
        optimizer.step()
        return [each.detach().clone() for each in layer.parameters()]

    first, saved = step(), copy.deepcopy(optimizer.state_dict())
    moved = torch.linalg.svdvals(first[0] - before)  # an orthogonalized update moves it as far in every direction
    assert moved.min() > 0.5 * moved.max()
    second = step()
    with torch.no_grad():
        for each, value in zip(layer.parameters(), first, strict=True):
            each.copy_(value)
    optimizer.load_state_dict(saved)
    for one, other in zip(step(), second, strict=True):
        assert torch.allclose(one, other) and not torch.equal(one, first[0])


def test_muon_is_refused_where_torch_has_none(monkeypatch):
    monkeypatch.delattr(torch.optim, "Muon", raising=False)
    with pytest.raises(InvalidInput, match="has no Muon"):
        MuonAndAdam(nn.Linear(2, 2).parameters(), lr=0.1, adam_lr=0.1)


def test_what_is_trained_is_kept_and_the_autoencoder_counts(tmp_path, train, monkeypatch):
    few = dataclasses.replace(
        frechet_half.ENTRY.recipe, settings={**frechet_half.AUTOENCODER.settings, "components": 4}
    )
    entry = Entry("frechet", "fewer", few, frechet_half.AUTOENCODER)
    trainer = Trainer(train, tmp_path)
    model, seconds = trainer.trained(entry, 1)
    autoencoder, before = trainer.trained(Entry("mse", "alone", frechet_half.AUTOENCODER), 1)
    assert 0 < before < seconds
    for name, weight in autoencoder.state_dict().items():
        assert torch.equal(model.autoencoder.state_dict()[name], weight)
    monkeypatch.setattr(Trainer, "_timed", None)
    again, kept = Trainer(train, tmp_path).trained(entry, 1)
    assert kept == seconds
    assert all(torch.equal(again.state_dict()[name], value) for name, value in model.state_dict().items())


def test_the_seed_decides_what_is_trained(tmp_path, train):
    weights = [
        Trainer(train[:300], tmp_path / folder).trained(QUICK, seed)[0].encoder[0].weight
        for folder, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_a_run_goes_on_where_it_stopped_and_writes_the_same_bytes(tmp_path, monkeypatch):
    speedrun(tmp_path, seeds=(0,)).run(("mse",))
    assert list(read(tmp_path / "speedrun.csv")["seed"]) == [0]
    lines = speedrun(tmp_path).run(("mse",))
    table = read(tmp_path / "speedrun.csv")
    assert list(table["seed"]) == [0, 1, 2, 7] and len(lines) == 4
    assert (table["machine"] == processor()).all() and (table["torch"] == torch.__version__).all()
    assert (table["images"] == 600).all() and not table["passed"].any() and "not passed" in lines[0]
    before = {path.name: path.read_bytes() for path in tmp_path.glob("speedrun*")}
    monkeypatch.setattr(Trainer, "trained", None)
    speedrun(tmp_path).run(("mse",))
    assert {path.name: path.read_bytes() for path in tmp_path.glob("speedrun*")} == before


def test_a_row_of_other_settings_is_measured_again(tmp_path):
    run = speedrun(tmp_path, seeds=(0,))
    run.run(("mse",))
    path = tmp_path / "speedrun.csv"
    table = read(path).assign(plan="other", mse=7.0)
    table.to_csv(path, index=False)
    run.run(("mse",))
    assert len(read(path)) == 1 and read(path)["mse"][0] < 1


def test_ideas_go_to_a_table_of_their_own(tmp_path, monkeypatch):
    idea = QUICK.idea("mse-idea", "an idea", batch_size=32)
    for module in ("board", "page"):
        monkeypatch.setattr(f"ae_utils.course.speedrun.{module}.IDEAS", (idea,))
    monkeypatch.setattr(registry, "IDEAS", (idea,))
    speedrun(tmp_path).run(("mse-idea",))
    assert list(read(tmp_path / "speedrun_tried.csv")["seed"]) == [0] and not (tmp_path / "speedrun.csv").exists()
    written = (tmp_path / "speedrun.md").read_text(encoding="utf-8")
    assert "### Tried" in written and "| `mse-idea` | an idea |" in written


def rows(entry, seconds, metrics=(0.0019, 64), seeds=(0, 1, 2, 7), kept=True):
    values = dict(zip(("mse", "code_size"), metrics, strict=True))
    return [
        dict.fromkeys(COLUMNS) | values
        | {"track": "mse", "entry": entry.name, "seed": seed, "cpu_seconds": seconds + seed, "passed": kept,
           "machine": "a processor", "torch": "2"}
        for seed in seeds
    ]  # fmt: skip


def test_the_page_shows_the_history_with_its_gains(monkeypatch):
    better = QUICK.idea("mse-better", "larger batches")
    monkeypatch.setitem(registry.HISTORY, "mse", (QUICK, better))
    table = pd.DataFrame([*rows(QUICK, 19), *rows(better, 9)], columns=COLUMNS)
    text = page(table, pd.DataFrame(columns=COLUMNS))
    assert "**Rule**: MSE ≤ 0.00200, code size ≤ 64." in text
    assert "| `mse-quick` | a quick one | 20.0 ± 1.0 | 0.00190 | 64 | seed 7: 0.00190 in 26.0 | yes |  |" in text
    assert (
        "| `mse-better` | larger batches | 10.0 ± 1.0 | 0.00190 | 64 | seed 7: 0.00190 in 16.0 | yes | 50 % |" in text
    )
    assert "entries on a processor (torch 2)" in text


@pytest.mark.parametrize(
    ("options", "whether"),
    [({}, True), ({"seeds": (0, 1, 2)}, False), ({"seeds": (0, 1, 7)}, False), ({"kept": False}, False)],
)
def test_an_entry_passes_with_three_seeds_and_another_one_that_verifies(options, whether):
    assert passed(QUICK, pd.DataFrame(rows(QUICK, 1, **options), columns=COLUMNS)) is whether


def test_wrong_wishes_get_one_sentence(tmp_path, capsys):
    assert main(["speedrun", "mse-quik"]) == 2
    assert "no track, entry or idea 'mse-quik'; did you mean mse-quick" in capsys.readouterr().err
    (tmp_path / "speedrun.csv").write_text("a,b\n1,2\n")
    assert main(["speedrun", "mse", "--results", str(tmp_path)]) == 2
    assert "has other columns" in capsys.readouterr().err


def test_without_a_name_the_records_are_verified():
    assert [entry.name for entry in registry.select(())] == [entries[-1].name for entries in registry.HISTORY.values()]
    assert registry.select(("frechet",)) == [registry.HISTORY["frechet"][-1]]


@pytest.mark.parametrize("name", ["speedrun.csv", "speedrun_tried.csv"])
def test_committed_rows_were_measured_with_the_settings_of_today(name):
    table = read(RESULTS / name)
    known = {entry.name: entry for entry in [*ENTRIES, *registry.IDEAS]}
    for row in table.to_dict("records"):
        entry = known[row["entry"]]
        others = [entry.autoencoder] if entry.autoencoder else []
        assert row["plan"] == plan(entry.recipe, *others), f"{entry.name} changed after it was measured"
        assert row["images"] == 60_000 and row["track"] == entry.track
        assert row["passed"] == TRACKS[entry.track].passed(row)


@pytest.mark.parametrize("track", TRACKS)
def test_a_record_that_was_measured_was_verified(track):
    record, table = [entry for entry in ENTRIES if entry.track == track][-1], read(RESULTS / "speedrun.csv")
    assert passed(record, table) or not (table["entry"] == record.name).any()


def test_an_entry_without_rows_is_shown_as_not_measured():
    text = page(pd.DataFrame(columns=COLUMNS), pd.DataFrame(columns=COLUMNS))
    assert "| `mse-quick` | a quick one |  |  |  |  | not measured yet |  |" in text


def test_the_committed_page_is_made_of_the_committed_tables(monkeypatch):
    monkeypatch.setitem(registry.HISTORY, "mse", tuple(entry for entry in ENTRIES if entry.track == "mse"))
    tables = [read(RESULTS / name) for name in ("speedrun.csv", "speedrun_tried.csv")]
    assert (RESULTS / "speedrun.md").read_text(encoding="utf-8") == page(*tables)
