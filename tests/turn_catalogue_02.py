"""What may be wrong, and what is right, in the answers to lesson 02's "your turn"."""
# fmt: off

from mutation import Item, mistakes

from ae_utils.course.checks import turns02

ANSWER = "(x[i:i + k, j:j + k] * weight).sum()"
RETURNED = f"torch.stack([{ANSWER} for i, j in places])"
CONVOLVE = Item(
    turns02.convolve,
    """
def convolve(x, weight):
    size = ...
    return torch.stack([(x[i:, j:] * weight).sum() for i in range(size) for j in range(size)]).view(size, size)
""",
    f"""
def convolve(x, weight):
    k = len(weight)
    size = len(x) - k + 1
    places = [(i, j) for i in range(size) for j in range(size)]
    return {RETURNED}.view(size, size)
""",
    mistakes(
        ("flipped kernel", ANSWER, "(x[i:i + k, j:j + k] * weight.flip(0, 1)).sum()", "the kernel is flipped"),
        ("rows flipped", ANSWER, "(x[i:i + k, j:j + k] * weight.flip(0)).sum()", "rows are flipped"),
        ("columns flipped", ANSWER, "(x[i:i + k, j:j + k] * weight.flip(1)).sum()", "columns are flipped"),
        ("transposed kernel", ANSWER, "(x[i:i + k, j:j + k] * weight.T).sum()", "the kernel is transposed"),
        ("transposed image", ANSWER, "(x.T[i:i + k, j:j + k] * weight).sum()", "the image is transposed"),
        ("i and j swapped", ANSWER, "(x[j:j + k, i:i + k] * weight).sum()", "the picture is transposed"),
        ("mean for sum", ANSWER, "(x[i:i + k, j:j + k] * weight).mean()", "the mean of the products"),
        ("+ for *", ANSWER, "(x[i:i + k, j:j + k] + weight).sum()", "multiply them"),
        ("weight missing", ANSWER, "x[i:i + k, j:j + k].sum()", "without their weights"),
        ("sign", ANSWER, "-(x[i:i + k, j:j + k] * weight).sum()", "sign"),
        ("hard-coded kernel", ANSWER, "(x[i:i + 3, j:j + 3] * weight).sum()", "take its side k from weight"),
        ("sum missing", ANSWER, "x[i:i + k, j:j + k] * weight", "does not fit"),
        ("padding", "k = len(weight)",
         "k = len(weight); x = F.pad(x, (k // 2, (k - 1) // 2, k // 2, (k - 1) // 2))", "as large as the image"),
        ("full padding", "k = len(weight)", "k = len(weight); x = F.pad(x, (k - 1,) * 4)", "larger than the image"),
        ("off by one", "len(x) - k + 1", "len(x) - k", "the last place is missing"),
        ("one place too many", "len(x) - k + 1", "len(x) - k + 2", "does not fit"),
        ("a place for every pixel", "len(x) - k + 1", "len(x)", "does not fit"),
        ("stride 2", "range(size)", "range(0, size, 2)", "does not fit"),
        ("in a row", f"{RETURNED}.view(size, size)", RETURNED, "in one row"),
        ("too many axes", f"{RETURNED}.view(size, size)", f"{RETURNED}.view(1, 1, size, size)", "axes"),
        ("a list", f"{RETURNED}.view(size, size)", f"{RETURNED}.view(size, size).tolist()", "a list came back"),
    ),
    [
        "def convolve(x, weight):\n    return F.conv2d(x[None, None], weight[None, None])[0, 0]",
        """
def convolve(x, weight):
    k = weight.shape[0]
    return (x.unfold(0, k, 1).unfold(1, k, 1) * weight).sum((-2, -1))
""",
        """
def convolve(x, weight):
    rows, columns = x.shape[0] - weight.shape[0] + 1, x.shape[1] - weight.shape[1] + 1
    y = torch.zeros(rows, columns)
    for i in range(rows):
        for j in range(columns):
            for a in range(weight.shape[0]):
                for c in range(weight.shape[1]):
                    y[i, j] += weight[a, c] * x[i + a, j + c]
    return y
""",
        """
def convolve(x, weight):
    k, size = len(weight), len(x) - len(weight) + 1
    return sum(weight[a, c] * x[a : a + size, c : c + size] for a in range(k) for c in range(k))
""",
        """
def convolve(x, weight):
    k, size = len(weight), len(x) - len(weight) + 1
    rows = [[float((x[i : i + k, j : j + k] * weight).sum()) for j in range(size)] for i in range(size)]
    return torch.tensor(rows)
""",
        """
def convolve(x, weight):
    k, size = len(weight), len(x) - len(weight) + 1
    patches = F.unfold(x[None, None], k)[0]
    return (weight.flatten() @ patches).reshape(size, size)
""",
    ],
    {},
)

PLACE = "picture[i * stride:i * stride + k, j * stride:j * stride + k]"
SIDE = "(len(x) - 1) * stride + k"
STAMP = Item(
    turns02.stamp,
    """
def stamp(x, weight, stride):
    picture = torch.zeros(...)
    for i, row in enumerate(x):
        for j, pixel in enumerate(row):
            picture[i * stride :, j * stride :] += ...
    return picture
""",
    f"""
def stamp(x, weight, stride):
    k = len(weight)
    side = {SIDE}
    picture = torch.zeros(side, side)
    for i, row in enumerate(x):
        for j, pixel in enumerate(row):
            {PLACE} += pixel * weight
    return picture
""",
    mistakes(
        ("overwriting", f"{PLACE} += pixel * weight", f"{PLACE} = pixel * weight", "do not overwrite"),
        ("-= for +=", f"{PLACE} += pixel * weight", f"{PLACE} -= pixel * weight", "sign"),
        ("stride ignored", f"{PLACE} += pixel * weight", "picture[i:i + k, j:j + k] += pixel * weight",
         "the stride is ignored: stamp (i, j)"),
        ("stride for rows only", f"{PLACE} += pixel * weight",
         "picture[i * stride:i * stride + k, j:j + k] += pixel * weight", "from column to column"),
        ("stride for columns only", f"{PLACE} += pixel * weight",
         "picture[i:i + k, j * stride:j * stride + k] += pixel * weight", "from row to row"),
        ("stride 1 everywhere", "k = len(weight)", "k = len(weight); stride = 1", "ignored in the size"),
        ("one stride too large", SIDE, "len(x) * stride + k", "one stride too large"),
        ("one stride too small", SIDE, "(len(x) - 2) * stride + k", "does not fit"),
        ("cut by one stride", "return picture", "return picture[:-stride, :-stride]", "one stride too small"),
        ("kernel not counted", SIDE, "len(x) * stride", "pixels per side"),
        ("one pixel too small", SIDE, f"{SIDE} - 1", "does not fit"),
        ("one pixel too large", SIDE, f"{SIDE} + 1", "pixels per side"),
        ("flipped kernel", "pixel * weight", "pixel * weight.flip(0, 1)", "the kernel is flipped"),
        ("columns flipped", "pixel * weight", "pixel * weight.flip(1)", "columns are flipped"),
        ("transposed kernel", "pixel * weight", "pixel * weight.T", "the kernel is transposed"),
        ("transposed image", "enumerate(x)", "enumerate(x.T)", "the image is transposed"),
        ("+ for *", "pixel * weight", "pixel + weight", "multiply them"),
        ("pixel missing", "pixel * weight", "weight", "the pixel is missing"),
        ("kernel missing", "pixel * weight", "pixel", "the kernel is missing"),
        ("a convolution", "return picture",
         "return F.conv2d(x[None, None], weight[None, None], stride=stride)[0, 0]", "this is a convolution"),
        ("too many axes", "return picture", "return picture[None, None]", "axes"),
    ),
    [
        "def stamp(x, w, stride):\n    return F.conv_transpose2d(x[None, None], w[None, None], stride=stride)[0, 0]",
        """
def stamp(x, weight, stride):
    n, k = x.shape[0], weight.shape[0]
    reach = (n - 1) * stride + 1
    picture = x.new_zeros((reach + k - 1, reach + k - 1))
    for a in range(k):
        for c in range(k):
            picture[a : a + reach : stride, c : c + reach : stride] += x * weight[a, c]
    return picture
""",
        """
def stamp(x, weight, stride):
    n, k = len(x), len(weight)
    apart = torch.zeros((n - 1) * stride + 1, (n - 1) * stride + 1)
    apart[::stride, ::stride] = x
    return F.conv2d(apart[None, None], weight.flip(0, 1)[None, None], padding=k - 1)[0, 0]
""",
        """
def stamp(x, weight, stride):
    n, k = len(x), len(weight)
    end = stride * (n - 1)
    places = [(i, j) for i in range(n) for j in range(n)]
    return sum(F.pad(x[i, j] * weight, (j * stride, end - j * stride, i * stride, end - i * stride)) for i, j in places)
""",
        """
def stamp(x, weight, stride):
    k, side = len(weight), (len(x) - 1) * stride + len(weight)
    columns = weight.reshape(-1, 1) * x.reshape(1, -1)
    return F.fold(columns[None], side, k, stride=stride)[0, 0]
""",
    ],
    {},
)

DECIBELS = "-10 * squared.mean(1).log10()"
SQUARED = "(x_hat - x).square().flatten(1)"
PSNR = Item(
    turns02.psnr,
    'def psnr(x_hat, x):\n    """Decibels."""\n    ...',
    f"""
def psnr(x_hat, x):
    squared = {SQUARED}
    return {DECIBELS}
""",
    mistakes(
        ("mean over the images first", DECIBELS, "-10 * squared.mean().log10()", "before the logarithm"),
        ("mean of the decibels", DECIBELS, f"({DECIBELS}).mean()", "the caller averages"),
        ("natural logarithm", DECIBELS, "-10 * squared.mean(1).log()", "natural logarithm"),
        ("logarithm to base 2", DECIBELS, "-10 * squared.mean(1).log2()", "base 2"),
        ("factor 20", DECIBELS, "-20 * squared.mean(1).log10()", "the factor is 20"),
        ("root", DECIBELS, "-10 * squared.mean(1).sqrt().log10()", "half the decibels"),
        ("factor missing", DECIBELS, "-squared.mean(1).log10()", "tenth of a bel"),
        ("sign", DECIBELS, "10 * squared.mean(1).log10()", "sign"),
        ("sum for mean", DECIBELS, "-10 * squared.sum(1).log10()", "are summed"),
        ("wrong axis", DECIBELS, "-10 * squared.mean(0).log10()", "every axis but the first"),
        ("logarithm before the mean", DECIBELS, "-10 * squared.log10().mean(1)", "comes before the mean"),
        ("logarithm missing", DECIBELS, "-10 * squared.mean(1)", "logarithm is missing"),
        ("axis kept", DECIBELS, "-10 * squared.mean(1, keepdim=True).log10()", "an axis is left over"),
        ("peak 255", DECIBELS, "10 * (255 ** 2 / squared.mean(1)).log10()", "255"),
        ("peak of each image", DECIBELS, "10 * (x.flatten(1).amax(1).square() / squared.mean(1)).log10()",
         "largest pixel of x"),
        ("peak of the batch", DECIBELS, "10 * (x.max() ** 2 / squared.mean(1)).log10()", "in the batch"),
        ("repeated", DECIBELS, "-10 * squared.mean().log10().repeat(len(x))", "all images together"),
        ("a list", DECIBELS, f"({DECIBELS}).tolist()", "a list came back"),
        ("abs for square", SQUARED, "(x_hat - x).abs().flatten(1)", "absolute"),
        ("+ for -", SQUARED, "(x_hat + x).square().flatten(1)", "are added"),
        ("per pixel", f"return {DECIBELS}", "return -10 * (x_hat - x).square().log10()", "per pixel"),
        ("images averaged", f"return {DECIBELS}", "return -10 * (x_hat - x).square().mean(0).log10()",
         "counts the images"),
    ),
    [
        "def psnr(x_hat, x):\n    return -10 * torch.log10(((x_hat - x) ** 2).mean(dim=(1, 2, 3)))",
        """
def psnr(x_hat, x):
    root = (x - x_hat).square().flatten(1).mean(1).sqrt()
    return 20 * torch.log10(1 / root)
""",
        "def psnr(x_hat, x):\n    return torch.stack([-10 * F.mse_loss(a, b).log10() for a, b in zip(x_hat, x)])",
        """
def psnr(x_hat, x):
    mse = F.mse_loss(x_hat, x, reduction="none").sum((1, 2, 3)) / 784
    return 10 * torch.log10(1.0**2 / mse)
""",
        """
def psnr(x_hat, x):
    mse = (x_hat.clamp(0, 1) - x).square().flatten(1).mean(1) + 1e-10
    return -10 * mse.log() / torch.tensor(10.0).log()
""",
        "def psnr(a, b):\n    return torch.tensor([-10 * F.mse_loss(p, q).log10().item() for p, q in zip(a, b)])",
    ],
    {},
)

ITEMS = (CONVOLVE, STAMP, PSNR)
