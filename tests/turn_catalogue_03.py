"""What may be wrong, and what is right, in the answers to lesson 03's "your turn"."""
# fmt: off

from mutation import Item, mistakes

from ae_utils.course.checks import turns03
from ae_utils.errors import InvalidInput
from ae_utils.losses.regularized import squared_error

ERROR = "reconstruction = squared_error(output.x_hat, batch.target).mean()"
L1 = "l1 = output.z.abs().sum(1).mean()"
TERMS = '{"loss": reconstruction + weight * l1, "reconstruction": reconstruction, "l1": l1}'
LOSS = "reconstruction + weight * l1"
SPARSE = Item(
    turns03.l1,
    """
def sparse_l1(model, batch, progress, *, weight):
    output = model(batch.x, batch.label)
    reconstruction = squared_error(output.x_hat, batch.target).mean()
    l1 = ...
    return {"loss": ..., "reconstruction": reconstruction, "l1": l1}
""",
    f"""
def sparse_l1(model, batch, progress, *, weight):
    output = model(batch.x, batch.label)
    {ERROR}
    {L1}
    return {TERMS}
""",
    mistakes(
        ("no absolute value", L1, "l1 = output.z.sum(1).mean()", "without absolute values"),
        ("L2", L1, "l1 = output.z.square().sum(1).mean()", "an L2 penalty: it shrinks"),
        ("L2 norm", L1, "l1 = output.z.norm(dim=1).mean()", "an L2 norm"),
        ("mean over units", L1, "l1 = output.z.abs().mean()", "the mean over the units"),
        ("sum over images", L1, "l1 = output.z.abs().sum()", "the sum over the batch, too"),
        ("one for each image", L1, "l1 = output.z.abs().sum(1)", "one penalty per image"),
        ("absolute value last", L1, "l1 = output.z.sum(1).abs().mean()", "is taken last"),
        ("mean before absolute value", L1, "l1 = output.z.mean(0).abs().sum()", "before the absolute value"),
        ("counted", L1, "l1 = (output.z != 0).double().sum(1).mean()", "are counted"),
        ("weighted term", L1, "l1 = weight * output.z.abs().sum(1).mean()", "logged without it"),
        ("no weight", LOSS, "reconstruction + l1", "the weight is missing"),
        ("no penalty", LOSS, "reconstruction", "the penalty is missing"),
        ("no reconstruction", LOSS, "weight * l1", "the reconstruction is missing"),
        ("weight on the other term", LOSS, "weight * reconstruction + l1", "multiplies the reconstruction"),
        ("weight on both", LOSS, "weight * (reconstruction + l1)", "multiplies both"),
        ("subtracted", LOSS, "reconstruction - weight * l1", "is subtracted"),
        ("weight squared", LOSS, "reconstruction + weight ** 2 * l1", "applied twice"),
        ("compared with x", "batch.target", "batch.x", "the target is batch.target"),
        ("target goes in", "model(batch.x, batch.label)", "model(batch.target, batch.label)",
         "other images than batch.x"),
        ("mean over pixels", ERROR, "reconstruction = (output.x_hat - batch.target).square().mean()",
         "the mean over the pixels"),
        ("sum over batch", ERROR, "reconstruction = squared_error(output.x_hat, batch.target).sum()",
         "the sum over the batch"),
        ("error of each image", ERROR, "reconstruction = squared_error(output.x_hat, batch.target)",
         "one error per image"),
        ("absolute error", ERROR,
         "reconstruction = (output.x_hat - batch.target).abs().flatten(1).sum(1).mean()", "absolute error"),
        ("detached code", "output.z.abs()", "output.z.detach().abs()", "no gradient reaches z"),
        ("detached", LOSS, "reconstruction.detach() + weight * l1.detach()", "no gradient reaches"),
        ("floats", TERMS, '{"loss": reconstruction + weight * l1, "reconstruction": reconstruction, "l1": l1.item()}',
         "leave it a tensor"),
        ("only the loss", TERMS, LOSS, "a dictionary with"),
        ("another name", TERMS, '{"loss": reconstruction + weight * l1, "reconstruction": reconstruction, "L1": l1}',
         "a dictionary with"),
    ),
    [
        """
def sparse_l1(model, batch, progress, *, weight):
    x_hat, z = model(batch.x)
    error = ((x_hat - batch.target) ** 2).sum(dim=(1, 2, 3)).mean()
    price = torch.abs(z).sum() / len(z)
    return dict(l1=price, reconstruction=error, loss=error + price * weight)
""",
        """
def sparse_l1(model, batch, progress, *, weight):
    output = model(batch.x, batch.label)
    l1 = torch.linalg.vector_norm(output.z, ord=1, dim=1).mean()
    terms = {"reconstruction": squared_error(output.x_hat, batch.target).mean(), "l1": l1}
    terms["loss"] = terms["reconstruction"] + weight * terms["l1"]
    return terms
""",
    ],
    {
        f"reordered: {ERROR} → {L1}": "neither needs the other",
        f"arguments: {ERROR} → {ERROR.replace('output.x_hat, batch.target', 'batch.target, output.x_hat')}":
            "a squared error is symmetric",
    },
    {"squared_error": squared_error},
)

Q = "q = 1e-6 + (1 - 2e-6) * activation"
DIVERGENCE = "rho * torch.log(rho / q) + (1 - rho) * torch.log((1 - rho) / (1 - q))"
ON, OFF = "rho * torch.log(rho / q)", "(1 - rho) * torch.log((1 - rho) / (1 - q))"
KL = Item(
    turns03.kl,
    """
def kl_to_target(activation, rho):
    return ...
""",
    f"""
def kl_to_target(activation, rho):
    {Q}
    kl = {DIVERGENCE}
    return kl.clamp_min(0)
""",
    mistakes(
        ("swapped", DIVERGENCE, "q * torch.log(q / rho) + (1 - q) * torch.log((1 - q) / (1 - rho))", "are swapped"),
        ("only on", DIVERGENCE, ON, "the half about being on"),
        ("only off", DIVERGENCE, OFF, "the half about being off"),
        ("sign", "kl.clamp_min(0)", "-kl", "the sign is wrong"),
        ("subtracted", "kl.clamp_min(0)", f"{ON} - {OFF}", "subtracted"),
        ("no weights", DIVERGENCE, "torch.log(rho / q) + torch.log((1 - rho) / (1 - q))", "are missing"),
        ("weights exchanged", DIVERGENCE,
         "(1 - rho) * torch.log(rho / q) + rho * torch.log((1 - rho) / (1 - q))", "are exchanged"),
        ("upside down", "kl.clamp_min(0)", "rho * torch.log(q / rho) + (1 - rho) * torch.log((1 - q) / (1 - rho))",
         "the sign is wrong"),
        ("cross-entropy", DIVERGENCE, "-rho * torch.log(q) - (1 - rho) * torch.log(1 - q)", "cross-entropy"),
        ("bits", DIVERGENCE, DIVERGENCE.replace("torch.log(", "torch.log2("), "base 2"),
        ("base 10", DIVERGENCE, DIVERGENCE.replace("torch.log(", "torch.log10("), "base 10"),
        ("squared distance", DIVERGENCE, "(q - rho) ** 2", "the squared distance"),
        ("distance", DIVERGENCE, "(q - rho).abs()", "the distance from rho"),
        ("a second sigmoid", Q, "q = torch.sigmoid(activation)", "in [0, 1] already"),
        ("far from the ends", Q, "q = 0.001 + 0.998 * activation", "nearly right"),
        ("a large summand", DIVERGENCE, DIVERGENCE.replace("/ q", "/ (q + 1e-3)"), "nearly right"),
        ("summed", "kl.clamp_min(0)", "kl.sum()", "one divergence per unit"),
        ("nothing at the ends", Q, "q = activation", "always off or always on"),
        ("clamp", Q, "q = activation.clamp(1e-6, 1 - 1e-6)", "a clamp?"),
        ("constant at the ends", "kl.clamp_min(0)",
         "torch.where((activation > 0) & (activation < 1), kl.clamp_min(0), torch.full_like(kl, 9.0))", "a clamp?"),
        ("infinite slope", Q, "q = activation + 1e-6 * (1 - (4 * activation * (1 - activation)).sqrt())"
         " * (1 - 2 * activation).sign()", "its gradient there is not"),
        ("detach", Q, f"{Q}.detach()", "no gradient reaches"),
        ("half detached", ON, f"({ON}).detach()", "something is detached"),
        ("a float", "kl.clamp_min(0)", "kl.sum().item()", "a tensor is expected"),
    ),
    [
        """
def kl_to_target(activation, rho):
    eps = 1e-7
    on = rho * (torch.log(torch.tensor(rho)) - torch.log(activation + eps))
    off = (1 - rho) * (torch.log(torch.tensor(1 - rho)) - torch.log(1 - activation + eps))
    return on + off
""",
        """
def kl_to_target(activation, rho):
    q = torch.lerp(torch.tensor(1e-6), torch.tensor(1 - 1e-6), activation)
    coins = torch.distributions.Bernoulli(torch.full_like(q, rho)), torch.distributions.Bernoulli(q)
    return torch.distributions.kl_divergence(*coins)
""",
        """
def kl_to_target(activation, rho):
    q = 1e-5 + (1 - 2e-5) * activation
    return rho * torch.log(rho / q) + (1 - rho) * torch.log((1 - rho) / (1 - q))
""",
        """
def kl_to_target(activation, rho):
    q = (1 - 1e-6) * activation + 1e-6 * 0.5
    rho = torch.as_tensor(rho)
    entropy = -(rho * rho.log() + (1 - rho) * (1 - rho).log())
    return F.relu(F.binary_cross_entropy(q, rho.expand_as(q), reduction="none") - entropy)
""",
    ],
    {"number: return kl.clamp_min(0) → return kl.clamp_min(-1)": "it only takes off what rounding leaves below 0"},
    {"InvalidInput": InvalidInput},
)

NORM = "derivative.square() @ weight.square().sum(1)"
JACOBIAN = Item(
    turns03.jacobian,
    """
def squared_jacobian(z, weight):
    return ...
""",
    f"""
def squared_jacobian(z, weight):
    derivative = z * (1 - z)
    return {NORM}
""",
    mistakes(
        ("derivative not squared", NORM, "derivative @ weight.square().sum(1)", "is not squared"),
        ("weights not squared", NORM, "derivative.square() @ weight.sum(1)", "the weights are not squared"),
        ("absolute weights", NORM, "derivative.square() @ weight.abs().sum(1)", "made positive"),
        ("summed, then squared", NORM, "derivative.square() @ weight.sum(1).square()", "before they are squared"),
        ("no derivative", NORM, "torch.ones_like(z) @ weight.square().sum(1)", "the derivative is missing"),
        ("no weights", NORM, "derivative.square().sum(1)", "the weights are missing"),
        ("tanh", "z * (1 - z)", "1 - z ** 2", "derivative of tanh"),
        ("sigmoid twice", "z * (1 - z)", "torch.sigmoid(z) * (1 - torch.sigmoid(z))", "a sigmoid's value already"),
        ("z alone", "z * (1 - z)", "z", "the derivative z alone"),
        ("1 - z alone", "z * (1 - z)", "1 - z", "1 - z alone"),
        ("root", NORM, f"({NORM}).sqrt()", "the norm, not squared"),
        ("mean over pixels", NORM, "derivative.square() @ weight.square().mean(1)", "mean over the pixels"),
        ("mean over units", NORM, f"({NORM}) / len(weight)", "mean over the units"),
        ("one number", NORM, f"({NORM}).sum()", "one number for the whole batch"),
        ("averaged", NORM, f"({NORM}).mean()", "the mean over the batch"),
        ("wrong axis", NORM, "derivative.square() @ weight.square().sum(0)", "axis 1"),
        ("units for pixels", NORM, "(derivative.square() @ weight.T.square()).sum(1)", "axis 1"),
        ("detached code", "z * (1 - z)", "z.detach() * (1 - z.detach())", "no gradient reaches z"),
        ("detached weights", "weight.square()", "weight.detach().square()", "no gradient reaches weight"),
    ),
    [
        "def squared_jacobian(z, weight):\n"
        "    return (z * (1 - z)) ** 2 @ (weight ** 2).sum(dim=1)\n",
        "def squared_jacobian(z, weight):\n"
        "    jacobian = (z * (1 - z))[:, :, None] * weight  # (n, units, pixels)\n"
        "    return jacobian.pow(2).sum((1, 2))\n",
        "def squared_jacobian(z, weight):\n"
        "    return torch.einsum('nu,up->n', (z - z * z).square(), weight.square())\n",
    ],
    {},
)

MOVE = "x_hat + next_std / std * (x - x_hat)"
CALL = "denoiser(x, torch.full((len(x),), std))"
STEP = Item(
    turns03.step,
    """
def denoising_step(denoiser, x, std, next_std):
    return ...
""",
    f"""
def denoising_step(denoiser, x, std, next_std):
    x_hat = {CALL}
    return {MOVE}
""",
    mistakes(
        ("all noise gone", MOVE, "x_hat", "all the noise is taken away"),
        ("nothing moves", MOVE, "x", "come back as they were"),
        ("not divided", MOVE, "x_hat + next_std * (x - x_hat)", "divide by std"),
        ("subtracted", MOVE, "x_hat - next_std / std * (x - x_hat)", "is subtracted from x_hat"),
        ("parts exchanged", MOVE, "x - next_std / std * (x - x_hat)", "parts are exchanged"),
        ("x added", MOVE, "x_hat + next_std / std * x", "here x is added"),
        ("noise alone", MOVE, "next_std / std * (x - x_hat)", "without x_hat"),
        ("everything shrinks", MOVE, "next_std / std * x", "x_hat shrinks, too"),
        ("nothing shrinks", MOVE, "x_hat + (x - x_hat)", "come back as they were"),
        ("variances", MOVE, "x_hat + (next_std / std) ** 2 * (x - x_hat)", "variances are compared"),
        ("not a fraction", MOVE, "x - (std - next_std) * (x - x_hat)", "not by its fraction"),
        ("upside down", MOVE, "x_hat + std / max(next_std, 1e-9) * (x - x_hat)", "upside down"),
        ("fresh noise", MOVE, "x_hat + next_std * torch.randn_like(x)", "fresh noise"),
        ("next level", CALL, "denoiser(x, torch.full((len(x),), next_std))", "told the next level"),
        ("one level for all", CALL, "denoiser(x, std)", "torch.full"),
        ("a single level", CALL, "denoiser(x, torch.tensor([std]))", "one noise level per image"),
        ("variance as level", CALL, "denoiser(x, torch.full((len(x),), std ** 2))", "another level"),
        ("scaled input", CALL, "denoiser(x / std, torch.full((len(x),), std))", "other images than x"),
        ("called twice", MOVE, f"x_hat + next_std / std * (x - {CALL})", "more than once"),
        ("in place", MOVE, "x.mul_(next_std / std).add_((1 - next_std / std) * x_hat)", "the input itself"),
    ),
    [
        "def denoising_step(denoiser, x, std, next_std):\n"
        "    clean = denoiser(x, std * torch.ones(len(x)))\n"
        "    noise = (x - clean) / std\n"
        "    return clean + next_std * noise\n",
        "def denoising_step(denoiser, x, std, next_std):\n"
        "    clean = denoiser(x, torch.tensor(std).expand(x.shape[0]))\n"
        "    return torch.lerp(clean, x, next_std / std)\n",
        "def denoising_step(denoiser, x, std, next_std):\n"
        "    x_hat = denoiser(x, torch.full_like(x[:, 0, 0, 0], std))\n"
        "    score = (x_hat - x) / std ** 2\n"
        "    return x + std * (std - next_std) * score\n",
    ],
    {},
)

ITEMS = (SPARSE, KL, JACOBIAN, STEP)
