"""A file that is cut, spoiled, empty, of another kind or hostile gets one sentence that names it, or does no harm."""

import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import zipfile

import processes
import pytest
import torch
from PIL import Image
from share import WHOLE, share

from ae_utils.__main__ import main
from ae_utils.data.altered import ALTERATIONS, altered
from ae_utils.data.csv import from_csv, to_csv
from ae_utils.data.folders import paired, read_folders, write_folders
from ae_utils.data.mnist import FILES, data_folder, mnist, unpacked
from ae_utils.data.weights import CHECKSUM, manifest_checksum, metadata
from ae_utils.errors import InvalidInput
from ae_utils.recipes.registry import RECIPES
from ae_utils.runs import checkpoint
from ae_utils.runs.pretrained import pretrained
from ae_utils.runs.run import load_model

SEEDS = share(20, 2)
PATIENCE = 60  # seconds that a case may take before it counts as hanging


@pytest.fixture(autouse=True)
def no_hang():
    def too_long(*_):
        raise TimeoutError("a broken file must not make anybody wait")

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)


# --- ways to break any file -----------------------------------------------------------------------------------------


def cut(data, dice):
    return data[: dice.randrange(len(data))]


def flipped(data, dice):
    spoiled = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 5))):
        spoiled[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(spoiled)


def holed(data, dice):
    """A block of zeros, as a disk leaves it that lost power."""
    size = min(len(data), dice.choice((16, 512, 4096)))
    start = dice.randrange(len(data) - size + 1)
    return data[:start] + bytes(size) + data[start + size :]


def swapped(data, dice):
    """Two halves of a file that was written in the wrong order."""
    middle = dice.randrange(1, len(data))
    return data[middle:] + data[:middle]


def other(data, dice):
    """Something else under that name: nothing, noise, a text, a picture, a zip, a pickle."""
    kinds = (
        b"",
        b"\n",
        bytes(999),
        dice.randbytes(len(data)),
        b"not what you think\n" * 30,
        b"\x89PNG\r\n\x1a\n" + data[:500],
        b"PK\x03\x04" + data[:500],
        b"\x1f\x8b" + data[:300],
        pickle.dumps({"format": 2}),
        b"label" + b",pixel0" * 784 + b"\n1,2\n",
    )
    return dice.choice(kinds)


BREAKS = (cut, flipped, holed, swapped, other)
broken = pytest.mark.parametrize(("break_", "seed"), [(way, seed) for way in BREAKS for seed in SEEDS])


def spoil(path, break_, seed):
    data = path.read_bytes()
    path.unlink()  # it may be a link to the good one
    spoiled = break_(data, random.Random(f"{break_.__name__} {path.name} {seed}"))
    path.write_bytes(spoiled)
    return spoiled != data


def refused(action, path):
    """Whether ``action`` is refused; then with one sentence that names the file, or the folder it stands in."""
    try:
        action()
    except (InvalidInput, OSError) as error:
        sentence = str(error)
        assert "\n" not in sentence and str(path) in sentence, sentence
        assert len(sentence) < 600 + len(str(path)), sentence
        return True
    return False


def said(capsys, *arguments):
    """What the command line says about it: exit code 2 and one line."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("ae_utils: ")
    return lines[0]


def left_in(folder):
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"
    )


# --- checkpoints ----------------------------------------------------------------------------------------------------


@pytest.fixture
def finished(short_run):
    """A folder that a short training wrote."""
    return short_run("linear-3d")


@pytest.fixture
def run(finished, tmp_path):
    """A copy of it: (folder, checkpoint)."""
    folder = tmp_path / "runs" / "linear-3d"
    folder.mkdir(parents=True)
    return folder, shutil.copy(finished / "checkpoint.pt", folder / "checkpoint.pt")


def resumed(folder):
    return ("train", "linear-3d", "--resume", "--epochs", 1, "--images", 300, "--quiet", "--out", folder.parent)


def same(one, other):
    """Whether two contents of checkpoints are the same, tensors included."""
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


@broken
def test_checkpoint(break_, seed, run, finished, capsys):
    folder, path = run
    spoil(path, break_, seed)
    if refused(lambda: load_model(folder), path):
        before, page = path.read_bytes(), folder / "explorer.html"
        assert str(path) in said(capsys, "explore", folder, "--html", page)
        assert str(path) in said(capsys, *resumed(folder))
        assert path.read_bytes() == before and left_in(folder) == ["checkpoint.pt"]
    else:
        assert same(checkpoint.load(path), checkpoint.load(finished / "checkpoint.pt"))


def strange(content, dice):
    """A well-formed checkpoint in which something is not what it should be."""
    strangers = (None, -1, 7, 2.5, "seven", [], [1], {}, {"a": {"b": 1}}, torch.zeros(2), (1, 2), True)
    inner = ("settings", "plan", "step", "history")
    place = content
    for _ in range(dice.randrange(4)):
        keys = [key for key in place if isinstance(place[key], dict) and place[key]] if isinstance(place, dict) else []
        place = place[dice.choice(keys)] if keys else place
    key = dice.choice(list(place)) if dice.random() < 0.7 or place is not content else dice.choice(inner)
    if dice.random() < 0.3:
        del place[key]
    else:
        place[key] = dice.choice(strangers)
    return content


@pytest.mark.parametrize("seed", share(60, 4))
def test_checkpoint_with_strange_content(seed, run, capsys):
    folder, path = run
    torch.save(strange(checkpoint.load(path), random.Random(seed)), path)
    before = path.read_bytes()
    if refused(lambda: load_model(folder), path):
        assert str(path) in said(capsys, "explore", folder, "--html", folder / "explorer.html")
        assert not (folder / "explorer.html").exists()
    if main([str(argument) for argument in resumed(folder)]):
        line = capsys.readouterr().err
        assert str(path) in line and line.count("\n") == 1
        assert path.read_bytes() == before and left_in(folder) == ["checkpoint.pt"]


@pytest.mark.parametrize("name", ["vanilla", "linear-5d", "deep-3d", "vae-2d", "gan"])
def test_checkpoint_of_another_recipe(name, run, capsys):
    folder, path = run
    recipe = RECIPES[name]
    content = checkpoint.load(path)
    content["step"] = recipe.step(recipe, recipe.build()).state_dict()
    checkpoint.save(path, content)
    assert f"{path} holds weights of another architecture" in said(capsys, "explore", folder)
    assert f"{path} holds weights of another architecture" in said(capsys, *resumed(folder))
    checkpoint.save(path, content | {"recipe": name, "settings": dict(recipe.settings)})
    assert f"{path} holds {name}, not linear-3d" in said(capsys, *resumed(folder))


@pytest.mark.parametrize("version", [3, 4, 10, 99, 10**6])
def test_checkpoint_of_a_future_version(version, run, capsys):
    folder, path = run
    checkpoint.save(path, {"format": version, "everything": "is different"})
    assert f"{path} has format {version}, but format 2 is needed; update" in said(capsys, *resumed(folder))
    assert "update ae_utils" in said(capsys, "explore", folder)


class Harm:
    """What runs ``function(*arguments)`` when it is unpickled without care."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def hostile(path, dice):
    """Write a checkpoint that wants to leave a mark, in one of many places and containers; returns the mark."""
    mark = path.with_name("mark")
    ways = (
        (open, str(mark), "w"),
        (os.mkdir, str(mark)),
        (os.system, f"touch {mark}"),
        (exec, f"open({str(mark)!r}, 'w')"),
        (eval, f"open({str(mark)!r}, 'w')"),
        (subprocess.call, ["touch", str(mark)]),
    )
    harm = Harm(*dice.choice(ways))
    content = checkpoint.load(path)
    place = dice.choice([content, content["step"], content["plan"], content["settings"], content["step"]["model"]])
    place[dice.choice(list(place))] = harm
    container = dice.randrange(4)
    if container == 0:
        path.write_bytes(pickle.dumps(dice.choice((harm, content)), protocol=dice.randrange(2, 5)))
    elif container == 1:
        torch.save(content, path, _use_new_zipfile_serialization=False)
    elif container == 2:
        torch.save(harm, path)
    else:
        torch.save(content, path)
    return mark


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("seed", share(40, 4))
def test_code_in_a_checkpoint_does_not_run(seed, run, capsys):
    folder, path = run
    mark = hostile(path, random.Random(seed))
    assert refused(lambda: load_model(folder), path)
    assert str(path) in said(capsys, "explore", folder)
    assert str(path) in said(capsys, *resumed(folder))
    assert not mark.exists()


def test_a_checkpoint_with_code_would_run_without_care(run):
    """The oracle of the test above: the same files, opened carelessly, do leave their mark."""
    _, path = run
    good, marks = path.read_bytes(), 0
    for seed in range(8):
        path.write_bytes(good)
        mark = hostile(path, random.Random(seed))
        if zipfile.is_zipfile(path):
            torch.load(path, weights_only=False)
            assert mark.exists()
            marks += 1
            mark.rmdir() if mark.is_dir() else mark.unlink()
    assert marks


# --- tables, images, MNIST itself, pretrained weights ---------------------------------------------------------------


@pytest.fixture(scope="session")
def good_table(test, tmp_path_factory):
    return to_csv(test[:60], tmp_path_factory.mktemp("table") / "mine.csv")


@broken
def test_csv(break_, seed, good_table, tmp_path, capsys):
    """Text has no checksum: a flipped bit that leaves a number makes another table of the same form, read as one."""
    path = shutil.copy(good_table, tmp_path / "mine.csv")
    spoil(path, break_, seed)
    if refused(lambda: from_csv(path), path):
        assert str(path) in said(capsys, "train", "linear-3d", "--data", path, "--out", tmp_path / "runs")
        assert left_in(tmp_path) == ["mine.csv"]
    else:
        images, good = from_csv(path), from_csv(good_table)
        assert len(images) <= len(good)
        same_pixels = (images.x == good.x[: len(images)]).flatten(1).sum(1)
        assert break_ is flipped or (break_ is cut and same_pixels.min() == 784)
        assert 784 - same_pixels.min() <= 5


@pytest.fixture(scope="session")
def good_folders(test, tmp_path_factory):
    clean = test[:30]
    return write_folders(clean, altered(clean), tmp_path_factory.mktemp("pictures") / "mine", tuple(ALTERATIONS))


@pytest.fixture
def folders(good_folders, tmp_path):
    return shutil.copytree(good_folders, tmp_path / "mine")


def any_png(folder, seed):
    return random.Random(f"which {seed}").choice(sorted(folder.glob("*/*.png")))


@broken
def test_png(break_, seed, folders, good_folders, tmp_path, capsys):
    path = any_png(folders, seed)
    spoil(path, break_, seed)
    if refused(lambda: read_folders(folders), path):
        line = said(capsys, "train", "altered-ae", "--data", folders, "--out", tmp_path / "runs")
        assert str(path) in line and left_in(tmp_path / "runs") == []
    else:
        for ours, theirs in zip(read_folders(folders), read_folders(good_folders), strict=True):
            assert torch.equal(ours.x, theirs.x)


@pytest.mark.parametrize("seed", share(20, 2))
def test_png_folder_with_a_stranger(seed, folders):
    dice, path = random.Random(seed), any_png(folders, seed)
    stranger = path.with_name(dice.choice(("thumbs.db", "aug_1.png", "clean_a_3.png", "aug_5_12.png", "clean_1_2.jpg")))
    strange = (
        lambda: (path.rename(stranger), stranger),
        lambda: (Image.new("L", dice.choice(((27, 28), (1, 1), (280, 280), (9000, 9000)))).save(path), path),
        lambda: (Image.new("L", (28, 28)).save(path, format=dice.choice(("JPEG", "BMP", "GIF", "TIFF"))), path),
        lambda: (path.unlink(), path.mkdir(), path),
        lambda: (shutil.rmtree(path.parent), path.parent),
        lambda: ([each.unlink() for each in path.parent.iterdir()], path.parent),
    )
    assert refused(lambda: read_folders(folders), dice.choice(strange)()[-1])


@broken
def test_pairs(break_, seed, folders):
    """``pairs.csv`` is text too; what it tells is a fraction of right pairs, so a flipped digit may cost one pair."""
    path, truth = folders / "pairs.csv", paired(folders)[1]
    spoil(path, break_, seed)
    if not refused(lambda: paired(folders), path):
        assert abs(paired(folders)[1]["all"] - truth["all"]) <= 5 / 30


@pytest.fixture
def packed(tmp_path):
    """MNIST's four files, packed and unpacked, as links to the good ones."""
    unpacked(data_folder())
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, _, _ in FILES:
        os.link(data_folder() / f"{name}.gz", tmp_path / "data" / f"{name}.gz")
        os.link(data_folder() / "MNIST" / "raw" / name, raw / name)
    return tmp_path / "data"


@broken
def test_bundled_gz(break_, seed, packed, tmp_path, monkeypatch, capsys):
    name = FILES[seed % len(FILES)][0]
    path, plain = packed / f"{name}.gz", packed / "MNIST" / "raw" / name
    plain.unlink()
    assert spoil(path, break_, seed)
    assert refused(lambda: mnist("test", packed), path)
    assert not plain.exists() and not list(plain.parent.glob(".*"))
    monkeypatch.setenv("AE_UTILS_DATA", str(packed))
    assert str(path) in said(capsys, "train", "vanilla", "--images", 20, "--out", tmp_path / "runs")
    assert left_in(tmp_path / "runs") == []


@broken
def test_unpacked_mnist_is_unpacked_again(break_, seed, packed, test):
    name = FILES[2 + seed % 2][0]
    spoil(packed / "MNIST" / "raw" / name, break_, seed)
    images = mnist("test", packed)
    assert torch.equal(images.x[:500], test.x) and torch.equal(images.label[:500], test.label)
    assert sorted(path.name for path in packed.glob("MNIST/raw/*")) == sorted(name for name, _, _ in FILES)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    folder = shutil.copytree(data_folder() / "trained", tmp_path / "data" / "trained")
    monkeypatch.setenv("AE_UTILS_DATA", str(tmp_path / "data"))
    return folder


@broken
def test_pretrained_weights(break_, seed, weights):
    path = weights / "digit-classifier.safetensors"
    assert spoil(path, break_, seed)
    assert refused(lambda: pretrained("digit-classifier"), path)


@broken
def test_manifest(break_, seed, weights):
    path, known = weights / "manifest.json", metadata("digit-classifier")
    spoil(path, break_, seed)
    if not refused(lambda: pretrained("digit-classifier"), path):
        assert metadata("digit-classifier") == known


@pytest.mark.parametrize("seed", share(20, 2))
def test_weights_that_do_not_fit_the_manifest(seed, weights):
    dice, path = random.Random(seed), weights / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest[CHECKSUM]
    entry = manifest["digit-classifier"]
    change = dice.choice(("recipe", "settings", "sha256", "file"))
    if change == "file":
        (weights / "digit-classifier.safetensors").unlink()
    else:
        entry[change] = {"recipe": "vae", "settings": {"feature_dim": dice.randrange(65, 99)}, "sha256": "0" * 64}[
            change
        ]
    path.write_text(json.dumps(manifest | {CHECKSUM: manifest_checksum(manifest)}))
    assert refused(lambda: pretrained("digit-classifier"), weights / "digit-classifier.safetensors")


@pytest.mark.parametrize("kind", ["checkpoint", "csv", "png", "gz"] if WHOLE else ["checkpoint"])
def test_the_command_itself_prints_one_line(kind, run, good_table, folders, packed, tmp_path):
    """Once for each kind of file in a process of its own, where nothing catches what libraries print."""
    arguments = {
        "checkpoint": (run[1], ("explore", run[0])),
        "csv": (shutil.copy(good_table, tmp_path / "mine.csv"), ("train", "deep-3d", "--data", tmp_path / "mine.csv")),
        "png": (any_png(folders, 0), ("train", "altered-vae", "--data", folders)),
        "gz": (packed / "t10k-labels-idx1-ubyte.gz", ("train", "vanilla")),
    }
    path, command = arguments[kind]
    spoil(path, holed, 0)
    (packed / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    words = (sys.executable, "-m", "ae_utils", *command)
    done = processes.run(*words, cwd=tmp_path, env={"AE_UTILS_DATA": str(packed)})
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and str(path) in done.stderr
