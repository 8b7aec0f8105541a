"""What may be wrong, and what is right, in the answers to lesson 08's "your turn"."""
# fmt: off

import copy

from mutation import Item, mistakes

from ae_utils.course.checks import turns08

STEP = """
    loss = objective(pupil, batch, 1.0)["loss"]
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
LAST = 'objective(pupil, batch, 1.0)["loss"].item() / first'
FIRST = 'first = objective(pupil, batch, 1.0)["loss"].item()'
ADAM = "torch.optim.Adam(pupil.parameters(), lr=3e-3)"
COPY = "pupil = copy.deepcopy(model)"
LOOP = "for _ in range(steps):" + STEP
BY_HEART = Item(
    turns08.by_heart,
    "def by_heart(model, objective, batch, steps):\n    return ...",
    f"""
def by_heart(model, objective, batch, steps):
    {COPY}
    optimizer = {ADAM}
    {FIRST}
    for _ in range(steps):
        loss = objective(pupil, batch, 1.0)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {LAST}
""",
    mistakes(
        ("no copy", COPY, "pupil = model", "make a copy"),
        ("a shallow copy", COPY, "pupil = copy.copy(model)", "make a copy"),
        ("the model's optimizer", ADAM, "torch.optim.Adam(model.parameters(), lr=3e-3)", "the copy's parameters"),
        ("the model's loss at first", FIRST, 'first = objective(model, batch, 1.0)["loss"].item()',
         "not with its copy"),
        ("the model's loss at last", LAST, 'objective(model, batch, 1.0)["loss"].item() / first',
         "not with its copy"),
        ("zero_grad missing", "optimizer.zero_grad()", "", "old gradients are added"),
        ("zero_grad after backward", "optimizer.zero_grad()\nloss.backward()", "loss.backward()\noptimizer.zero_grad()",
         "nothing was learnt"),
        ("zero_grad once", LOOP, "optimizer.zero_grad()\n" + LOOP.replace("    optimizer.zero_grad()\n", ""),
         "old gradients are added"),
        ("step missing", "optimizer.step()", "", "nothing was learnt"),
        ("backward missing", "loss.backward()", "", "nothing was learnt"),
        ("upside down", LAST, 'first / objective(pupil, batch, 1.0)["loss"].item()', "upside down"),
        ("the last loss", LAST, 'objective(pupil, batch, 1.0)["loss"].item()', "this is the last loss"),
        ("the first loss", LAST, "first", "this is the first loss"),
        ("the difference", LAST, 'objective(pupil, batch, 1.0)["loss"].item() - first', "difference of the two"),
        ("what has gone", LAST, '1 - objective(pupil, batch, 1.0)["loss"].item() / first', "not what is left"),
        ("a percentage", LAST, '100 * objective(pupil, batch, 1.0)["loss"].item() / first', "percentage"),
        ("the loss before the last step", LAST, "loss.item() / first", "before the last step"),
        ("one step too many", "range(steps)", "range(steps + 1)", "one step too many"),
        ("one step too few", "range(steps)", "range(steps - 1)", "before the last step"),
        ("SGD", ADAM, "torch.optim.SGD(pupil.parameters(), lr=3e-3)", "this is SGD"),
        ("Adam's own rate", ADAM, "torch.optim.Adam(pupil.parameters())", "3e-3 is asked for"),
        ("both losses", LAST, 'first, objective(pupil, batch, 1.0)["loss"].item()', "one number is expected"),
        ("a tensor", LAST, 'objective(pupil, batch, 1.0)["loss"] / first', ".item()"),
    ),
    [
        """
def by_heart(model, objective, batch, steps):
    twin, losses = copy.deepcopy(model), []
    adam = torch.optim.Adam(twin.parameters(), lr=0.003)
    for step in range(steps + 1):
        adam.zero_grad()
        loss = objective(twin, batch, 1.0)["loss"]
        losses.append(float(loss.detach()))
        if step < steps:
            loss.backward()
            adam.step()
    return losses[-1] / losses[0]
""",
        """
def by_heart(model, objective, batch, steps):
    pupil = copy.deepcopy(model).train()
    optimizer = torch.optim.Adam(pupil.parameters(), lr=3e-3)
    losses = []
    while len(losses) < steps:
        losses.append(objective(pupil, batch, 1.0)["loss"])
        pupil.zero_grad()
        losses[-1].backward()
        optimizer.step()
    with torch.no_grad():
        return objective(pupil, batch, 1.0)["loss"] / losses[0].detach()
""",
        """
def by_heart(model, objective, batch, steps):
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    pupil = copy.deepcopy(model)
    pupil.load_state_dict(kept)
    optimizer = torch.optim.AdamW(pupil.parameters(), lr=3e-3, weight_decay=0)
    first = objective(pupil, batch, 0.0)["loss"].item()
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        objective(pupil, batch, 0.5)["loss"].backward()
        optimizer.step()
    return objective(pupil, batch, 1.0)["loss"].item() / first
""",
    ],
    {
        "reordered: optimizer = torch.optim.Adam(pupil.parameters(), lr=0.003) → "
        "first = objective(pupil, batch, 1.0)['loss'].item()": "an optimizer does nothing until its first step",
        "reordered: loss = objective(pupil, batch, 1.0)['loss'] → optimizer.zero_grad()":
            "gradients may be cleared any time before backward()",
    },
    {"copy": copy},
)

PRIOR = "prior = kl(torch.zeros(4, 3), torch.zeros(4, 3))"
ELSEWHERE = "elsewhere = kl(torch.randn(1000, 3), 2 * torch.randn(1000, 3))"
AT = "prior.abs().max() < 1e-5"
POSITIVE = "elsewhere.min() > 0"
LIKE_A_KL = Item(
    turns08.like_a_kl,
    "def like_a_kl(kl):\n    return ...",
    f"""
def like_a_kl(kl):
    {PRIOR}
    {ELSEWHERE}
    return bool({AT} and {POSITIVE})
""",
    mistakes(
        ("logvar of 1 at the prior", PRIOR, "prior = kl(torch.zeros(4, 3), torch.ones(4, 3))", "the prior is mu = 0"),
        ("mu of 1 at the prior", PRIOR, "prior = kl(torch.ones(4, 3), torch.zeros(4, 3))", "the prior is mu = 0"),
        ("a random prior", PRIOR, "prior = kl(torch.randn(4, 3), torch.randn(4, 3))", "the prior is mu = 0"),
        ("no absolute value", AT, "prior.max() < 1e-5", "take the absolute value"),
        ("exactly 0", AT, "prior.abs().max() == 0", "leave room for rounding"),
        ("the prior alone", f"bool({AT} and {POSITIVE})", f"bool({AT})", "away from the prior"),
        ("elsewhere alone", f"bool({AT} and {POSITIVE})", f"bool({POSITIVE})", "passes"),
        ("one or the other", f"bool({AT} and {POSITIVE})", f"bool({AT} or {POSITIVE})", "passes"),
        ("mu alone", ELSEWHERE, "elsewhere = kl(torch.randn(1000, 3), torch.zeros(1000, 3))", "+logvar"),
        ("logvar alone", ELSEWHERE, "elsewhere = kl(torch.zeros(1000, 3), torch.randn(1000, 3))", "both sides of 0"),
        ("mu on one side", ELSEWHERE, "elsewhere = kl(torch.rand(1000, 3), 2 * torch.randn(1000, 3))",
         "both sides of 0"),
        ("small variances", ELSEWHERE, "elsewhere = kl(torch.randn(1000, 3), -2 * torch.rand(1000, 3))",
         "variances above 1"),
        ("large variances", ELSEWHERE, "elsewhere = kl(torch.randn(1000, 3), 2 * torch.rand(1000, 3))", "+logvar"),
        ("the mean", POSITIVE, "elsewhere.mean() > 0", "passes"),
        ("the largest", POSITIVE, "elsewhere.max() > 0", "passes"),
        ("0 elsewhere", POSITIVE, "elsewhere.min() >= 0", "must be positive"),
        ("upside down", f"bool({AT} and {POSITIVE})", f"not bool({AT} and {POSITIVE})", "upside down"),
        ("one for each image", f"bool({AT} and {POSITIVE})", "elsewhere > 0", "one True or False"),
        ("a number", f"bool({AT} and {POSITIVE})", "prior.abs().max()", "a number came back"),
        ("a word", f"bool({AT} and {POSITIVE})", "'yes'", "True or False is expected"),
        ("always", f"bool({AT} and {POSITIVE})", "True", "nearly everything passes"),
        ("never", f"bool({AT} and {POSITIVE})", "False", "does not pass"),
    ),
    [
        """
def like_a_kl(kl):
    zero = torch.zeros(1, 6)
    if not torch.allclose(kl(zero, zero), torch.zeros(1), atol=1e-5):
        return False
    for _ in range(200):
        mu, logvar = torch.randn(2, 8, 6)
        if not (kl(mu, logvar) > 0).all():
            return False
    return True
""",
        """
def like_a_kl(kl):
    at = torch.linspace(-3, 3, 31)
    mu, logvar = (each.reshape(-1, 1) for each in torch.meshgrid(at, at, indexing="ij"))
    values = kl(mu, logvar)
    far = (mu.abs() + logvar.abs()).flatten() > 0.05
    return (values[far] > 0).all() and values[~far].abs().max() < 1e-5
""",
        """
def like_a_kl(kl):
    prior = kl(torch.zeros(2, 2), torch.zeros(2, 2))
    places = torch.tensor([[a, b] for a in (-2.0, -0.3, 0.0, 0.3, 2.0) for b in (-2.0, -0.5, 0.5, 1.0, 2.0)])
    elsewhere = kl(places[:, :1], places[:, 1:])
    return -1e-5 < prior.min().item() and prior.max().item() < 1e-5 and elsewhere.min().item() > 0
""",
    ],
    {
        f"reordered: {PRIOR} → {ELSEWHERE}":
            "the two are independent of each other",
        f"arguments: {ELSEWHERE} → elsewhere = kl(2 * torch.randn(1000, 3), torch.randn(1000, 3))":
            "places as good as the others",
        f"number: {ELSEWHERE} → elsewhere = kl(torch.randn(1000, 3), 3 * torch.randn(1000, 3))":
            "places as good as the others",
        f"number: {ELSEWHERE} → elsewhere = kl(torch.randn(1000, 3), 1 * torch.randn(1000, 3))":
            "places as good as the others",
    },
)

NAMES = """[
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or parameter.grad.abs().max() == 0)
    ]"""
WHICH = "parameter.requires_grad and (parameter.grad is None or parameter.grad.abs().max() == 0)"
NOTHING = "parameter.grad is None or parameter.grad.abs().max() == 0"
BACKWARD = 'objective(model, batch, 1.0)["loss"].backward()'
WITHOUT_GRADIENT = Item(
    turns08.without_gradient,
    "def without_gradient(model, objective, batch):\n    return ...",
    f"""
def without_gradient(model, objective, batch):
    model.zero_grad()
    {BACKWARD}
    return {NAMES}
""",
    mistakes(
        ("zero_grad missing", "model.zero_grad()", "", "left over"),
        ("None alone", NOTHING, "parameter.grad is None", "0 throughout"),
        ("zeros alone", NOTHING, "parameter.grad is not None and parameter.grad.abs().max() == 0", "is None"),
        ("some of it 0", "parameter.grad.abs().max() == 0", "(parameter.grad == 0).any()", "all of it must be"),
        ("the smallest", "parameter.grad.abs().max() == 0", "parameter.grad.abs().min() == 0", "all of it must be"),
        ("frozen ones too", WHICH, NOTHING, "frozen"),
        ("the others", WHICH, f"parameter.requires_grad and not ({NOTHING})", "the others are asked for"),
        ("parameters", NAMES, NAMES.replace("name\n", "parameter\n", 1), "their names are asked for"),
        ("pairs", NAMES, NAMES.replace("name\n", "(name, parameter)\n", 1), "the names alone"),
        ("how many", NAMES, f"len({NAMES})", "a list of names"),
        ("one text", NAMES, f"', '.join({NAMES})", "a list of names"),
        ("short names", NAMES, NAMES.replace("name\n", 'name.split(".")[-1]\n', 1), "in full"),
        ("names of layers", NAMES, NAMES.replace("name\n", 'name.split(".")[0]\n', 1), "in full"),
        ("a step", BACKWARD, f"{BACKWARD}\ntorch.optim.SGD(model.parameters(), lr=0.1).step()", "makes no step"),
    ),
    [
        """
def without_gradient(model, objective, batch):
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    loss = objective(model, batch, 1.0)["loss"]
    gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {name for name, gradient in zip(named, gradients) if gradient is None or not gradient.any()}
""",
        """
def without_gradient(model, objective, batch):
    for parameter in model.parameters():
        parameter.grad = None
    loss = objective(model, batch, 1.0)["loss"]
    loss.backward()
    names = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.grad is None:
            names.append(name)
        elif not torch.count_nonzero(parameter.grad):
            names.append(name)
    return names
""",
        """
def without_gradient(model, objective, batch):
    model.zero_grad(set_to_none=False)
    objective(model, batch, 1.0)["loss"].backward()
    return tuple(
        name for name, p in model.named_parameters()
        if p.requires_grad and (p.grad is None or p.grad.norm() == 0)
    )
""",
    ],
    {},
)

ITEMS = (BY_HEART, LIKE_A_KL, WITHOUT_GRADIENT)
