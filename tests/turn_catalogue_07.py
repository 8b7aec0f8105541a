"""What may be wrong, and what is right, in the answers to lesson 07's "your turn"."""
# fmt: off

from mutation import Item, mistakes

from ae_utils.course.checks import turns07

ERROR = "difference.std() / len(difference) ** 0.5"
PAIRED = Item(
    turns07.paired,
    "def paired_difference(one, other):\n    # the difference of each pair of runs\n    return ...",
    f"def paired_difference(one, other):\n    difference = one - other\n    return difference.mean(), {ERROR}\n",
    mistakes(
        ("other order", "one - other", "other - one", "the order is wrong"),
        ("sum", "difference.mean()", "difference.sum()", "sum of the differences"),
        ("absolute", "difference.mean()", "difference.abs().mean()", "absolute differences"),
        ("median", "difference.mean()", "difference.median()", "median"),
        ("swapped", f"(difference.mean(), {ERROR})", f"({ERROR}, difference.mean())", "are swapped"),
        ("standard deviation", ERROR, "difference.std()", "a single difference"),
        ("by n", ERROR, "difference.std() / len(difference)", "divided by n"),
        ("variance", ERROR, "difference.var() / len(difference)", "variance of the mean difference"),
        ("variance of one", ERROR, "difference.var()", "variance of the differences"),
        ("times", ERROR, "difference.std() * len(difference) ** 0.5", "multiplies"),
        ("n - 1 twice", ERROR, "difference.std() / (len(difference) - 1) ** 0.5", "root of n - 1"),
        ("biased", "difference.std()", "difference.std(correction=0)", "divided by n - 1"),
        ("unpaired", ERROR, "((one.var() + other.var()) / len(one)) ** 0.5", "unpaired"),
        ("spreads", ERROR, "(one.var() + other.var()) ** 0.5", "spreads of each"),
        ("std subtracted", ERROR, "(one.std() - other.std()) / len(one) ** 0.5", "are subtracted"),
        ("std added", ERROR, "(one.std() + other.std()) / len(one) ** 0.5", "are added"),
        ("mean only", f"(difference.mean(), {ERROR})", "difference.mean()", "two numbers"),
        ("all differences", f"(difference.mean(), {ERROR})", f"(difference, {ERROR})", "their shapes"),
    ),
    [
        """
def paired_difference(one, other):
    n = len(one)
    mean = sum(one - other) / n
    variance = sum((one - other - mean) ** 2) / (n - 1)
    return mean, (variance / n) ** 0.5
""",
        """
def paired_difference(one, other):
    return one.mean() - other.mean(), torch.std(one - other) / torch.tensor(len(one)).sqrt()
""",
        """
def paired_difference(one, other):
    variance = one.var() + other.var() - 2 * torch.cov(torch.stack([one, other]))[0, 1]
    return [float((one - other).mean()), float((variance / len(one)).sqrt())]
""",
    ],
    {},
)

RADIUS = "radius = torch.cdist(real, real).kthvalue(k + 1).values"
INSIDE = "inside = (torch.cdist(samples, real) <= radius).any(1)"
NEAR = "(torch.cdist(samples, real) <= radius)"
MEAN = "inside.double().mean()"
PRECISION = Item(
    turns07.precision,
    """
def precision(samples, real, k):
    # the radius of each ball (m,): from a real point to its k-th nearest neighbour among the others
    # whether a sample lies in at least one ball (n,)
    return ...
""",
    f"""
def precision(samples, real, k):
    {RADIUS}
    {INSIDE}
    return {MEAN}
""",
    mistakes(
        ("recall", f"{RADIUS}; {INSIDE}",
         "radius = torch.cdist(samples, samples).kthvalue(k + 1).values; "
         "inside = (torch.cdist(real, samples) <= radius).any(1)", "this is recall"),
        ("itself", "k + 1", "k", "itself, at distance 0"),
        ("one too far", "k + 1", "k + 2", "one neighbour too far"),
        ("balls around samples", f"{RADIUS}; {INSIDE}",
         "radius = torch.cdist(samples, samples).kthvalue(k + 1).values; "
         "inside = (torch.cdist(samples, real) <= radius[:, None]).any(1)", "balls are around the samples"),
        ("real points counted", INSIDE, f"inside = {NEAR}.any(0)", "count the samples"),
        ("all", INSIDE, f"inside = {NEAR}.all(1)", "not in all of them"),
        ("pairs", INSIDE, f"inside = {NEAR}", "pairs of a sample and a ball"),
        ("number", MEAN, "inside.double().sum()", "take the fraction"),
        ("counted often", INSIDE, f"inside = {NEAR}.double().sum(1)", "several times"),
        ("outside", INSIDE, "inside = (torch.cdist(samples, real) > radius).all(1)", "outside all balls"),
        ("mean radius", RADIUS, f"{RADIUS}.mean()", "one radius, a mean"),
        ("largest radius", RADIUS, f"{RADIUS}.max()", "the largest radius"),
        ("nearest only", INSIDE,
         "distance, index = torch.cdist(samples, real).min(1); inside = distance <= radius[index]",
         "only the nearest"),
        ("radius from samples", RADIUS, "radius = torch.cdist(real, samples).kthvalue(k + 1).values",
         "taken from the samples"),
        ("one per sample", MEAN, "inside.double()", "one number is expected"),
    ),
    [
        """
def precision(samples, real, k):
    radius = torch.cdist(real, real).sort(1).values[:, k]
    inside = [bool((torch.linalg.norm(real - sample, dim=1) <= radius).any()) for sample in samples]
    return sum(inside) / len(inside)
""",
        """
def precision(samples, real, k):
    radius = torch.cdist(real, real).topk(k + 1, largest=False).values.max(1).values
    margin = torch.cdist(real, samples) - radius[:, None]
    return (margin.min(0).values <= 0).float().mean().item()
""",
        """
def precision(samples, real, k):
    between = torch.cdist(real, real)
    between.fill_diagonal_(float("inf"))
    radius = between.kthvalue(k).values
    return (torch.cdist(samples, real) <= radius).any(dim=1).double().mean()
""",
    ],
    {},
)

HIGHER, EQUAL = "higher = anomalous[:, None] > normal", "equal = anomalous[:, None] == normal"
AREA = "(higher + 0.5 * equal).mean()"
AUROC = Item(
    turns07.auroc,
    """
def auroc(normal, anomalous):
    # for each pair (m, n): whether the anomaly has the higher score, and whether the two are equal
    return ...
""",
    f"""
def auroc(normal, anomalous):
    {HIGHER}
    {EQUAL}
    return {AREA}
""",
    mistakes(
        ("the other way", HIGHER, "higher = anomalous[:, None] < normal", "*normal* score is higher"),
        ("number", AREA, "(higher + 0.5 * equal).sum()", "number of pairs"),
        ("by anomalies", AREA, "(higher + 0.5 * equal).sum() / len(anomalous)", "by the anomalies only"),
        ("by normal ones", AREA, "(higher + 0.5 * equal).sum() / len(normal)", "by the normal images only"),
        ("ties win", AREA, "(anomalous[:, None] >= normal).double().mean()", "ties count as wins"),
        ("ties lose", AREA, "higher.double().mean()", "ties count as losses"),
        ("ties whole", AREA, "(higher.double() + 2 * equal).mean()", "ties count twice"),
        ("ties subtracted", AREA, "(higher.double() - 0.5 * equal).mean()", "ties are subtracted"),
        ("ties left out", AREA, "higher.double().sum() / (~equal).double().sum()", "left out of the pairs"),
        ("one partner", f"{HIGHER}; {EQUAL}",
         "n = min(len(normal), len(anomalous)); higher = anomalous[:n] > normal[:n]; "
         "equal = anomalous[:n] == normal[:n]", "one partner"),
        ("against the mean", f"{HIGHER}; {EQUAL}",
         "higher = anomalous > normal.mean(); equal = anomalous == normal.mean()", "the mean of the normal"),
        ("against the largest", f"{HIGHER}; {EQUAL}",
         "higher = anomalous > normal.max(); equal = anomalous == normal.max()", "the largest normal"),
        ("difference", AREA, "(anomalous[:, None] - normal).mean()", "mean difference"),
        ("one for each anomaly", AREA, "(higher + 0.5 * equal).mean(1)", "one number is expected"),
        ("any", AREA, "higher.any(1).double().mean()", "any and all"),
    ),
    [
        """
def auroc(normal, anomalous):
    wins = 0.0
    for score in anomalous:
        wins += (score > normal).double().sum() + (score == normal).double().sum() / 2
    return wins / (len(normal) * len(anomalous))
""",
        """
def auroc(normal, anomalous):
    difference = anomalous.unsqueeze(1) - normal.unsqueeze(0)
    return torch.heaviside(difference, torch.tensor(0.5)).mean()
""",
        """
def auroc(normal, anomalous):
    from sklearn.metrics import roc_auc_score
    scores = torch.cat([normal, anomalous])
    label = torch.cat([torch.zeros(len(normal)), torch.ones(len(anomalous))])
    return float(roc_auc_score(label.numpy(), scores.numpy()))
""",
        """
def auroc(normal, anomalous):
    return (torch.sign(anomalous[:, None] - normal[None, :]) + 1).mean() / 2
""",
    ],
    {f"reordered: {HIGHER} → {EQUAL}": "either comparison may come first"},
)

ITEMS = (PAIRED, PRECISION, AUROC)
