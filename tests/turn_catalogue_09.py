"""What may be wrong, and what is right, in the answers to lesson 09's "your turn"."""
# fmt: off

from mutation import Item, mistakes

from ae_utils.course.checks import turns09

PLACE = "(1 - t[:, None]) * noise + t[:, None] * x"
PATH = Item(
    turns09.path,
    """
def straight_path(noise, x, t):
    z_t = ...
    velocity = ...
    return z_t, velocity
""",
    f"""
def straight_path(noise, x, t):
    z_t = {PLACE}
    velocity = x - noise
    return z_t, velocity
""",
    mistakes(
        ("backwards", PLACE, "t[:, None] * noise + (1 - t[:, None]) * x", "time runs backwards"),
        ("noise stays", PLACE, "noise + t[:, None] * x", "at t = 1 the noise is still there"),
        ("x from the start", PLACE, "(1 - t[:, None]) * noise + x", "at t = 0 x is already there"),
        ("t for both", PLACE, "t[:, None] * noise + t[:, None] * x", "only one of them grows"),
        ("half-way", PLACE, "0.5 * noise + 0.5 * x", "half-way at all times"),
        ("- for +", PLACE, "t[:, None] * x - (1 - t[:, None]) * noise", "sign of the noise"),
        ("other sign", PLACE, "(1 - t[:, None]) * noise - t[:, None] * x", "sign of x"),
        ("roots", PLACE, "(1 - t[:, None]).sqrt() * noise + t[:, None].sqrt() * x", "square roots"),
        ("x itself", PLACE, "x", "x itself"),
        ("noise itself", PLACE, "noise", "the noise itself"),
        ("wrong axis", PLACE, "(1 - t) * noise + t * x", "one time per point"),
        ("wrong axis, written out", PLACE, "(1 - t[None]) * noise + t[None] * x", "one time per point"),
        ("along dimensions", PLACE,
         "torch.lerp(noise, x, t if len(t) == x.shape[1] else t[:, None])", "t runs along the dimensions"),
        ("velocity reversed", "x - noise", "noise - x", "points from x to the noise"),
        ("way gone", "x - noise", "z_t - noise", "already gone"),
        ("way left", "x - noise", "x - z_t", "that is left"),
        ("times t", "x - noise", "t[:, None] * (x - noise)", "already gone"),
        ("x for velocity", "x - noise", "x", "x alone"),
        ("+ for - in the velocity", "x - noise", "x + noise", "are added"),
        ("z_t for velocity", "x - noise", "z_t", "z_t again"),
        ("divided by t", "x - noise", "(x - noise) / t[:, None]", "nothing divides"),
        ("normalised", "x - noise", "F.normalize(x - noise)", "normalised"),
        ("order", "return z_t, velocity", "return velocity, z_t", "swapped"),
        ("place only", "return z_t, velocity", "return z_t", "two tensors"),
        ("three things", "return z_t, velocity", "return z_t, velocity, t", "two tensors"),
        ("too many axes", "return z_t, velocity", "return z_t[None], velocity", "the shapes are"),
        ("in place", PLACE, "noise.lerp_(x, t[:, None])", "itself is changed"),
        ("a list", "return z_t, velocity", "return z_t.tolist(), velocity", "a list came back"),
    ),
    [
        "def straight_path(noise, x, t):\n    return torch.lerp(noise, x, t[:, None]), x - noise",
        """
def straight_path(noise, x, t):
    t = t.view(-1, 1)
    velocity = x - noise
    return noise + t * velocity, velocity
""",
        """
def straight_path(noise, x, t):
    t = t.unsqueeze(1)
    z_t = t * x + (1 - t) * noise
    return [z_t, (x - z_t) / (1 - t)]
""",
        """
def straight_path(a, b, t):
    z_t = torch.stack([(1 - s) * p + s * q for p, q, s in zip(a, b, t)])
    return z_t, -(a - b)
""",
        "def straight_path(noise, x, t):\n    return (noise.T * (1 - t) + x.T * t).T, torch.sub(x, noise)",
    ],
    {"reordered: z_t = (1 - t[:, None]) * noise + t[:, None] * x → velocity = x - noise": "neither needs the other"},
)

OUT = "model(z_t, t, label)"
ERROR = f"({OUT} - (x - noise)).square().sum(1).mean()"
TIME = "torch.sigmoid(torch.randn(len(x)))"
LOSS = Item(
    turns09.loss,
    """
def flow_loss(model, x, label):
    # noise, of the shape of x
    # times, of the shape (n,)
    # z_t and its velocity
    return ...
""",
    f"""
def flow_loss(model, x, label):
    noise = torch.randn_like(x)
    t = {TIME}
    z_t = {PLACE}
    return {ERROR}
""",
    mistakes(
        ("mean for sum", ERROR, f"({OUT} - (x - noise)).square().mean()", "mean over the dimensions"),
        ("sum over the batch", ERROR, f"({OUT} - (x - noise)).square().sum()", "sum over the batch"),
        ("axes swapped", ERROR, f"({OUT} - (x - noise)).square().mean(1).sum()", "the other way round"),
        ("abs", ERROR, f"({OUT} - (x - noise)).abs().sum(1).mean()", "absolute"),
        ("root", ERROR, f"({OUT} - (x - noise)).norm(dim=1).mean()", "root"),
        ("square missing", ERROR, f"({OUT} - (x - noise)).sum(1).mean()", "opposite sign"),
        ("1/2", ERROR, f"({OUT} - (x - noise)).square().sum(1).mean() / 2", "half"),
        ("sign", ERROR, f"-({OUT} - (x - noise)).square().sum(1).mean()", "never negative"),
        ("one per code", ERROR, f"({OUT} - (x - noise)).square().sum(1)", "per code"),
        ("one per dimension", ERROR, f"({OUT} - (x - noise)).square()", "per dimension"),
        ("wrong axis", ERROR, f"({OUT} - (x - noise)).square().sum(0)", "one number, of shape ()"),
        ("target reversed", ERROR, f"({OUT} - (noise - x)).square().sum(1).mean()", "here it is noise - x"),
        ("predicts x", ERROR, f"({OUT} - x).square().sum(1).mean()", "here it is x"),
        ("predicts noise", ERROR, f"({OUT} - noise).square().sum(1).mean()", "here it is the noise"),
        ("no target", ERROR, f"{OUT}.square().sum(1).mean()", "target is missing"),
        ("sum as target", ERROR, f"({OUT} - (x + noise)).square().sum(1).mean()", "the two are added"),
        ("+ for -", ERROR, f"({OUT} + (x - noise)).square().sum(1).mean()", "the two are added)"),
        ("detached", OUT, f"{OUT}.detach()", "no gradient"),
        ("half detached", ERROR, f"(({OUT} - (x - noise)) * ({OUT}.detach() - (x - noise))).sum(1).mean()",
         "more than once"),
        ("gradient scaled", f"return {ERROR}",
         f"loss = {ERROR}\nreturn loss.detach() + 0.5 * (loss - loss.detach())", "its gradient is not"),
        ("a number", ERROR, f"{ERROR}.item()", "a float came back"),
        ("uniform times", TIME, "torch.rand(len(x))", "uniform"),
        ("one time", TIME, "torch.sigmoid(torch.randn(1)).expand(len(x))", "the same time"),
        ("sigmoid missing", TIME, "torch.randn(len(x))", "between 0 and 1"),
        ("clipped times", TIME, "torch.randn(len(x)).clamp(0, 0.9)", "distributed in another way"),
        ("uniform noise", "torch.randn_like(x)", "torch.rand_like(x)", "the noise is uniform"),
        ("zeros", "torch.randn_like(x)", "torch.zeros_like(x)", "same noise"),
        ("one noise", "torch.randn_like(x)", "torch.randn(x.shape[1])", "same noise"),
        ("one number of noise", "torch.randn_like(x)", "torch.randn(len(x), 1)", "not on a line"),
        ("twice the noise", "torch.randn_like(x)", "2 * torch.randn_like(x)", "not on a line"),
        ("backwards", PLACE, "t[:, None] * noise + (1 - t[:, None]) * x", "swapped in the path"),
        ("x goes in", "model(z_t, t, label)", "model(x, t, label)", "sees x itself"),
        ("noise added", PLACE, "x + noise", "not on a line"),
        ("label and time swapped", OUT, "model(z_t, label, t)", "time and label are swapped"),
        ("time first", OUT, "model(t, z_t, label)", "another order"),
        ("a column of times", OUT, "model(z_t, t[:, None], label)", "without a second axis"),
        ("one time passed", OUT, "model(z_t, t.mean(), label)", "a time of its own"),
        ("time as a number", OUT, "model(z_t, 0.5, label)", "three tensors"),
        ("labels shuffled", OUT, "model(z_t, t, label.flip(0))", "other labels"),
        ("labels as floats", OUT, "model(z_t, t, label.float())", "whole numbers"),
        ("no network", ERROR, "(z_t - (x - noise)).square().sum(1).mean()", "never called"),
        ("x changed", PLACE, "x.mul_(t[:, None]).add_((1 - t[:, None]) * noise)", "itself is changed"),
    ),
    [
        """
def straight_path(noise, x, t):
    return torch.lerp(noise, x, t[:, None]), x - noise

def flow_loss(model, x, label):
    noise = torch.randn_like(x)
    t = torch.sigmoid(torch.randn(len(x)))
    z_t, velocity = straight_path(noise, x, t)
    return (model(z_t, t, label) - velocity).square().sum(1).mean()
""",
        """
def flow_loss(model, x, label):
    t = torch.randn(len(x), 1).sigmoid()
    noise = torch.randn(x.shape)
    v = x - noise
    v_hat = model(noise + t * v, t[:, 0], label)
    return F.mse_loss(v_hat, v) * x.shape[1]
""",
        """
def flow_loss(model, x, label):
    noise = torch.normal(0.0, 1.0, x.shape)
    t = 1 / (1 + torch.exp(-torch.randn(len(x))))
    z_t = torch.lerp(noise, x, t[:, None])
    return ((x - noise - model(z_t, t, label=label)) ** 2).sum() / len(x)
""",
        """
def flow_loss(model, x, label):
    n, dims = x.shape
    noise, t = torch.randn(n, dims), torch.sigmoid(torch.randn(n))
    z_t = torch.einsum("n,nd->nd", 1 - t, noise) + torch.einsum("n,nd->nd", t, x)
    error = model(z_t, t, label) + noise - x
    return (error * error).sum(dim=-1).mean()
""",
    ],
    {"reordered: noise = torch.randn_like(x) → t = torch.sigmoid(torch.randn(len(x)))": "either may be drawn first"},
)

MOVED = "z + dt * velocity(z, t)"
EULER = Item(
    turns09.euler,
    "def euler_step(velocity, z, t, dt):\n    return ...",
    f"def euler_step(velocity, z, t, dt):\n    return {MOVED}\n",
    mistakes(
        ("dt missing", MOVED, "z + velocity(z, t)", "has the length 1"),
        ("backwards", MOVED, "z - dt * velocity(z, t)", "backwards in time"),
        ("step alone", MOVED, "dt * velocity(z, t)", "the step alone"),
        ("velocity alone", MOVED, "velocity(z, t)", "this is the velocity"),
        ("t for dt", MOVED, "z + t * velocity(z, t)", "multiplied by t"),
        ("divided", MOVED, "z + velocity(z, t) / dt", "divided by dt"),
        ("at the end", MOVED, "z + dt * velocity(z, t + dt)", "at the end"),
        ("dt added", MOVED, "z + dt + velocity(z, t)", "dt is added"),
        ("no step", MOVED, "z + 0 * velocity(z, t)", "does not move"),
        ("brackets", MOVED, "dt * (z + velocity(z, t))", "only the velocity is"),
        ("swapped", MOVED, "z + dt * velocity(t, z)", "points first"),
        ("in place", MOVED, "z.add_(dt * velocity(z, t))", "itself is changed"),
        ("Heun", f"return {MOVED}",
         "a = velocity(z, t)\nreturn z + dt * (a + velocity(z + dt * a, t + dt)) / 2", "comes next"),
        ("a list", MOVED, "(z + dt * velocity(z, t)).tolist()", "a list came back"),
    ),
    [
        "euler_step = lambda velocity, z, t, dt: torch.add(z, velocity(z, t), alpha=dt)",
        "def euler_step(v, z, t, dt):\n    step = dt * v(z, t)\n    return z + step",
        "def euler_step(velocity, z, t, dt):\n    z = z.clone()\n    z += velocity(z, t) * dt\n    return z",
        "def euler_step(f, z, t, h):\n    return torch.lerp(z, z + f(z, t), h)",
    ],
    {},
)

MEAN = "z + dt * (first + second) / 2"
AHEAD = "velocity(z + dt * first, t + dt)"
HEUN = Item(
    turns09.heun,
    """
def heun_step(velocity, z, t, dt):
    first = velocity(z, t)
    second = velocity(z + ... * first, ...)
    return z + ... * (first + second)
""",
    f"""
def heun_step(velocity, z, t, dt):
    first = velocity(z, t)
    second = {AHEAD}
    return {MEAN}
""",
    mistakes(
        ("Euler", MEAN, "z + dt * first", "Euler's step"),
        ("second only", MEAN, "z + dt * second", "only the second"),
        ("sum for mean", MEAN, "z + dt * (first + second)", "are added"),
        ("brackets", MEAN, "z + dt * first + second / 2", "brackets are missing"),
        ("old time", AHEAD, "velocity(z + dt * first, t)", "at the old time"),
        ("old place", AHEAD, "velocity(z, t + dt)", "at the old place"),
        ("midpoint", f"second = {AHEAD}\nreturn {MEAN}",
         "second = velocity(z + dt / 2 * first, t + dt / 2)\nreturn z + dt * second", "midpoint"),
        ("half-way", AHEAD, "velocity(z + dt / 2 * first, t + dt / 2)", "half-way"),
        ("half in space", AHEAD, "velocity(z + dt / 2 * first, t + dt)", "half a step ahead in space"),
        ("half in time", AHEAD, "velocity(z + dt * first, t + dt / 2)", "half a step ahead in time"),
        ("dt missing inside", AHEAD, "velocity(z + first, t + dt)", "inside has the length 1"),
        ("backwards inside", AHEAD, "velocity(z - dt * first, t + dt)", "inside goes backwards"),
        ("t - dt", AHEAD, "velocity(z + dt * first, t - dt)", "time goes forwards"),
        ("from Euler's place", MEAN, "z + dt * first + dt * (first + second) / 2", "starts from Euler's place"),
        ("two Euler steps", MEAN, "z + dt * first + dt * second", "are added"),
        ("difference", MEAN, "z + dt * (first - second) / 2", "are subtracted"),
        ("dt missing", MEAN, "z + (first + second) / 2", "dt is missing"),
        ("backwards", MEAN, "z - dt * (first + second) / 2", "backwards in time"),
        ("step alone", MEAN, "dt * (first + second) / 2", "the step alone"),
        ("swapped", AHEAD, "velocity(t + dt, z + dt * first)", "points first"),
        ("in place", AHEAD, "velocity(z.add_(dt * first), t + dt)", "itself is changed"),
    ),
    [
        """
def heun_step(velocity, z, t, dt):
    first = velocity(z, t)
    ahead = z + dt * first
    return (z + ahead + dt * velocity(ahead, t + dt)) / 2
""",
        """
def heun_step(f, z, t, h):
    k1 = f(z, t)
    k2 = f(z + h * k1, t + h)
    return z + h / 2 * k1 + h / 2 * k2
""",
        """
def heun_step(velocity, z, t, dt):
    first = velocity(z, t)
    mean = torch.stack([first, velocity(z + dt * first, t + dt)]).mean(0)
    return torch.add(z, mean, alpha=dt)
""",
    ],
    {},
)

HEAD = "from ae_utils.networks.velocity import NO_LABEL\n"
DRAWN = "torch.rand(len(label)) < fraction"
FILLED = "label.masked_fill(dropped, NO_LABEL)"
LABELS = Item(
    turns09.labels,
    "def drop_labels(label, fraction=0.1):\n    dropped = ...\n    return label.masked_fill(dropped, ...)",
    f"""{HEAD}
def drop_labels(label, fraction=0.1):
    dropped = {DRAWN}
    return {FILLED}
""",
    mistakes(
        ("inverted", DRAWN, "torch.rand(len(label)) > fraction", "keeps the fraction"),
        ("fixed", DRAWN, "torch.rand(len(label)) < 0.1", "fixed number"),
        ("normal numbers", DRAWN, "torch.randn(len(label)) < fraction", "compare uniform numbers"),
        ("one for all", DRAWN, "(torch.rand(1) < fraction).expand(len(label))", "share their fate"),
        ("the first ones", DRAWN, "torch.arange(len(label)) < fraction * len(label)", "their place in the batch"),
        ("always the same", DRAWN,
         "torch.rand(len(label), generator=torch.Generator().manual_seed(0)) < fraction", "the same labels"),
        ("digit 0", FILLED, "label.masked_fill(dropped, 0)", "becomes 0"),
        ("-1", FILLED, "label.masked_fill(dropped, -1)", "becomes negative"),
        ("other digits", FILLED, "torch.where(dropped, (label + 1) % 10, label)", "other digits"),
        ("too large", FILLED, "label.masked_fill(dropped, NO_LABEL + 1)", "something else"),
        ("mask", FILLED, "dropped", "this is the mask"),
        ("in place", FILLED, "label.masked_fill_(dropped, NO_LABEL)", "itself is changed"),
        ("left out", FILLED, "label[~dropped]", "one label for each"),
        ("floats", FILLED, "label.masked_fill(dropped, NO_LABEL).float()", "floats"),
        ("where swapped", FILLED, "torch.where(dropped, label, NO_LABEL)", "keeps the fraction"),
    ),
    [
        f"{HEAD}def drop_labels(label, fraction=0.1):\n"
        "    return torch.where(torch.rand(label.shape) < fraction, NO_LABEL, label)",
        """
def drop_labels(label, fraction=0.1):
    label = label.clone()
    label[torch.rand_like(label, dtype=torch.float32) < fraction] = 10
    return label
""",
        """
def drop_labels(label, fraction=0.1):
    keep = torch.bernoulli(torch.full(label.shape, 1.0 - fraction)).long()
    return keep * label + (1 - keep) * 10
""",
        f"""{HEAD}
def drop_labels(label, fraction=0.1):
    chosen = torch.randperm(len(label))[: round(fraction * len(label))]
    return label.index_fill(0, chosen, NO_LABEL)
""",
    ],
    {},
)

UNKNOWN = "torch.full_like(label, NO_LABEL)"
GUIDED = "free + guidance * (model(z, t, label) - free)"
GUIDANCE = Item(
    turns09.guidance,
    """
def guided_velocity(model, z, t, label, guidance):
    free = ...
    return free + ...
""",
    f"""{HEAD}
def guided_velocity(model, z, t, label, guidance):
    free = model(z, t, {UNKNOWN})
    return {GUIDED}
""",
    mistakes(
        ("conditioned only", GUIDED, "model(z, t, label)", "goes beyond it"),
        ("free only", GUIDED, "free", "the label is ignored"),
        ("other convention", GUIDED, "model(z, t, label) + guidance * (model(z, t, label) - free)", "other convention"),
        ("swapped", GUIDED, "model(z, t, label) + guidance * (free - model(z, t, label))", "are swapped"),
        ("away", GUIDED, "free + guidance * (free - model(z, t, label))", "away from the label"),
        ("- for +", GUIDED, "free - guidance * (model(z, t, label) - free)", "away from the label"),
        ("free missing", GUIDED, "guidance * (model(z, t, label) - free)", "free velocity is missing"),
        ("only scaled", GUIDED, "guidance * model(z, t, label)", "multiply the change only"),
        ("both added", GUIDED, "free + guidance * (model(z, t, label) + free)", "nothing is subtracted"),
        ("brackets", GUIDED, "free + guidance * model(z, t, label)", "the difference is missing"),
        ("digit 0", UNKNOWN, "torch.zeros_like(label)", "the digit 0"),
        ("digit 9", UNKNOWN, "torch.full_like(label, 9)", "the digit 9"),
        ("squared", GUIDED, "free + guidance ** 2 * (model(z, t, label) - free)", "squared"),
        ("added", GUIDED, "free + guidance + (model(z, t, label) - free)", "guidance is added"),
        ("time and label swapped", "model(z, t, label)", "model(z, label, t)", "time and label are swapped"),
        ("one label", UNKNOWN, "torch.tensor(NO_LABEL)", "whole numbers of the shape"),
        ("in place", GUIDED, "z.copy_(free + guidance * (model(z, t, label) - free))", "itself is changed"),
    ),
    [
        f"""{HEAD}
def guided_velocity(model, z, t, label, guidance):
    unknown = torch.full((len(z),), NO_LABEL)
    return torch.lerp(model(z, t, unknown), model(z, t, label), guidance)
""",
        """
def guided_velocity(model, z, t, label, guidance):
    conditioned, free = model(z, t, label), model(z, t, 0 * label + 10)
    return (1 - guidance) * free + guidance * conditioned
""",
        """
def guided_velocity(model, z, t, label, guidance):
    both = model(torch.cat([z, z]), torch.cat([t, t]), torch.cat([label, torch.full_like(label, 10)]))
    conditioned, free = both.chunk(2)
    return conditioned + (guidance - 1) * (conditioned - free)
""",
        """
def guided_velocity(model, z, t, label, guidance):
    conditioned = model(z, t, label)
    if guidance == 1:
        return conditioned
    free = model(z, t, torch.full_like(label, 10))
    return free + guidance * (conditioned - free)
""",
    ],
    {},
)

ITEMS = (PATH, LOSS, EULER, HEUN, LABELS, GUIDANCE)
