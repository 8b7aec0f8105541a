"""What may be wrong, and what is right, in the answers to lesson 04's "your turn"."""
# fmt: off

from mutation import Item, mistakes

from ae_utils.course.checks import turns04

STD, EPS, Z = "torch.exp(0.5 * logvar)", "torch.randn_like(std)", "mu + std * eps"
DRAW = Item(
    turns04.reparameterize,
    """
def reparameterize(mu, logvar):
    std = ...
    eps = ...
    return ...
""",
    f"""
def reparameterize(mu, logvar):
    std = {STD}
    eps = {EPS}
    return {Z}
""",
    mistakes(
        ("variance for std", STD, "torch.exp(logvar)", "exp(logvar) is the variance"),
        ("logvar for std", STD, "logvar", "logvar itself"),
        ("exponential missing", STD, "0.5 * logvar", "its exponential is missing"),
        ("half outside", STD, "0.5 * torch.exp(logvar)", "belongs inside"),
        ("root taken twice", STD, "torch.exp(0.5 * logvar).sqrt()", "one half is enough"),
        ("sign of logvar", STD, "torch.exp(-0.5 * logvar)", "sign of logvar"),
        ("clipped", STD, "torch.exp(0.5 * logvar.clamp(-8, 8))", "clipped"),
        ("clipped above", STD, "torch.exp(0.5 * logvar.clamp(max=4))", "clipped"),
        ("std left out", Z, "mu + eps", "not scaled"),
        ("std divides", Z, "mu + eps / std", "divided by std"),
        ("eps forgotten", Z, "mu + std", "nothing random is drawn"),
        ("the mean only", Z, "mu", "nothing random is drawn"),
        ("always the same", EPS, "torch.randn(mu.shape, generator=torch.Generator().manual_seed(0))",
         "nothing random is drawn"),
        ("uniform eps", EPS, "torch.rand_like(std)", "uniform"),
        ("coin for eps", EPS, "2 * torch.bernoulli(torch.full_like(std, 0.5)) - 1", "not normal"),
        ("one eps for all", EPS, "torch.randn(())", "shared"),
        ("one eps per image", EPS, "torch.randn(len(mu), 1)", "shared"),
        ("one eps per dimension", EPS, "torch.randn(1, mu.shape[1])", "shared"),
        ("mu scaled, too", Z, "(mu + std) * eps", "mu is multiplied"),
        ("mu left out", Z, "std * eps", "the mean should be"),
        ("mu subtracted", Z, "std * eps - mu", "the mean should be"),
        ("sample()", Z, "torch.distributions.Normal(mu, std).sample()", "no gradient reaches mu and logvar"),
        ("torch.normal", Z, "torch.normal(mu, std).detach()", "no gradient reaches mu and logvar"),
        ("mu detached", Z, "mu.detach() + std * eps", "no gradient reaches mu"),
        ("std detached", Z, "mu + std.detach() * eps", "no gradient reaches logvar"),
        ("half detached", STD, "torch.exp(0.25 * logvar + 0.25 * logvar.detach())", "its gradients are not"),
        ("in place", Z, "mu.add_(std * eps)", "itself is changed"),
        ("three things", Z, "(mu + std * eps, mu, logvar)", "a tuple came back"),
        ("an axis too many", Z, "(mu + std * eps)[None]", "z has the shape"),
    ),
    [
        "reparameterize = lambda mu, logvar: mu + (logvar / 2).exp() * torch.randn(mu.shape)",
        "def reparameterize(mu, logvar):\n    return torch.distributions.Normal(mu, logvar.exp().sqrt()).rsample()",
        "def reparameterize(mu, logvar):\n    return torch.empty_like(mu).normal_().mul(logvar.mul(.5).exp()) + mu",
        "def reparameterize(mu, logvar):\n    return torch.addcmul(mu, torch.exp(logvar) ** 0.5, torch.randn_like(mu))",
        "def reparameterize(mu, logvar):\n    return mu - torch.exp(0.5 * logvar) * torch.randn_like(mu)",
    ],
    {
        "operator: return mu + std * eps → return mu - std * eps": "eps and -eps have the same distribution",
    },
)

TERM = "0.5 * (mu.square() + logvar.exp() - 1 - logvar)"
KL = Item(
    turns04.kl_divergence,
    "def kl_to_prior(mu, logvar):\n    return ...",
    f"def kl_to_prior(mu, logvar):\n    return ({TERM}).sum(1)\n",
    mistakes(
        ("sign", TERM, f"-({TERM})", "the sign"),
        ("half missing", TERM, "mu.square() + logvar.exp() - 1 - logvar", "the half in front"),
        ("half twice", TERM, f"0.5 * {TERM}", "the half stands twice"),
        ("mean over dimensions", f"({TERM}).sum(1)", f"({TERM}).mean(1)", "mean over dimensions"),
        ("one number", f"({TERM}).sum(1)", f"({TERM}).sum(1).mean()", "one number for all images"),
        ("sum of everything", f"({TERM}).sum(1)", f"({TERM}).sum()", "one number for all images"),
        ("wrong axis", f"({TERM}).sum(1)", f"({TERM}).sum(0)", "the sum runs over the images"),
        ("sum missing", f"({TERM}).sum(1)", TERM, "one number per dimension"),
        ("axis kept", f"({TERM}).sum(1)", f"({TERM}).sum(1, keepdim=True)", "of shape"),
        ("1 missing", TERM, "0.5 * (mu.square() + logvar.exp() - logvar)", "the 1 is missing"),
        ("1 added", TERM, "0.5 * (mu.square() + logvar.exp() + 1 - logvar)", "not added"),
        ("variance squared", TERM, "0.5 * (mu.square() + logvar.exp().square() - 1 - logvar)", "squared again"),
        ("logvar as log std", TERM, "0.5 * (mu.square() + (2 * logvar).exp() - 1 - 2 * logvar)",
         "logarithm of the standard deviation"),
        ("std for variance", TERM, "0.5 * (mu.square() + torch.exp(0.5 * logvar) - 1 - logvar)",
         "not the standard deviation"),
        ("exp missing", TERM, "0.5 * (mu.square() + logvar - 1 - logvar)", "two terms cancel"),
        ("log added", TERM, "0.5 * (mu.square() + logvar.exp() - 1 + logvar)", "narrower posteriors"),
        ("log missing", TERM, "0.5 * (mu.square() + logvar.exp() - 1)", "log variance"),
        ("logvar for std", TERM, "0.5 * (mu.square() + logvar.square() - 1 - logvar.square().log())",
         "taken for the stand"),
        ("logvar for std in one term", TERM, "0.5 * (mu.square() + logvar.square() - 1 - logvar)", "in one term"),
        ("log of logvar", TERM, "0.5 * (mu.square() + logvar - 1 - logvar.log())", "not a number"),
        ("variance for its log", TERM, "0.5 * (mu.square() + logvar.exp() - 1 - logvar.exp())", "two terms cancel"),
        ("variance missing", TERM, "0.5 * (mu.square() - 1 - logvar)", "the variance itself is missing"),
        ("variance subtracted", TERM, "0.5 * (mu.square() - logvar.exp() - 1 - logvar)", "it is added"),
        ("mu not squared", TERM, "0.5 * (mu + logvar.exp() - 1 - logvar)", "by its square: a mean at -1"),
        ("abs for square", TERM, "0.5 * (mu.abs() + logvar.exp() - 1 - logvar)", "absolute value"),
        ("mu subtracted", TERM, "0.5 * (-mu.square() + logvar.exp() - 1 - logvar)", "must cost more"),
        ("mu missing", TERM, "0.5 * (logvar.exp() - 1 - logvar)", "mu is missing"),
        ("the other way round", TERM, "0.5 * ((mu.square() + 1) / logvar.exp() - 1 + logvar)", "other way round"),
        ("swapped", TERM, "0.5 * (logvar.square() + mu.exp() - 1 - mu)", "swapped"),
        ("clipped", TERM, "0.5 * (mu.square() + logvar.clamp(-10, 10).exp() - 1 - logvar.clamp(-10, 10))", "clipped"),
        ("clipped above", TERM, "0.5 * (mu.square() + logvar.clamp(max=10).exp() - 1 - logvar)", "clipped"),
        ("never negative by force", TERM, "0.5 * (mu.square() + logvar.exp() - 1 - logvar.detach())",
         "gradient for logvar"),
        ("mu detached", TERM, "0.5 * (mu.detach().square() + logvar.exp() - 1 - logvar)", "gradient for mu"),
        ("a number", f"({TERM}).sum(1)", f"({TERM}).sum(1).tolist()", "a list came back"),
        ("in place", TERM, "0.5 * (mu.detach().square_() + logvar.exp() - 1 - logvar)", "itself is changed"),
    ),
    [
        "def kl_to_prior(mu, logvar):\n    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)",
        """
def kl_to_prior(mu, logvar):
    var = torch.exp(logvar)
    return ((mu ** 2 + var - 1 - torch.log(var)) / 2).sum(dim=-1)
""",
        """
def kl_to_prior(mu, logvar):
    normal = torch.distributions.Normal
    return torch.distributions.kl_divergence(normal(mu, (logvar / 2).exp()), normal(0.0, 1.0)).sum(1)
""",
        "kl_to_prior = lambda m, v: 0.5 * (m * m + torch.expm1(v) - v).flatten(1).sum(1)",
        """
def kl_to_prior(mu, logvar):
    return 0.5 * ((mu * mu).sum(1) + logvar.exp().sum(1) - mu.shape[1] - logvar.sum(1))
""",
    ],
    {},
)

IMPORTS = "from ae_utils.losses.vae import bernoulli, binarized, kl_to_prior\n"
BINARIZED = "batch = binarized(batch)"
RECONSTRUCTION = "bernoulli(output.logits, batch.target).mean()"
KL_MEAN = "kl_to_prior(output.mu, output.logvar).mean()"
LOSS = "reconstruction + beta * kl"
OBJECTIVE = Item(
    turns04.vae_objective,
    f"""{IMPORTS}
def vae_objective(model, batch, progress, beta=1.0):
    {BINARIZED}
    output = model(batch.x)
    reconstruction = ...
    kl = ...
    return {{"loss": ..., "reconstruction": reconstruction, "kl": kl}}
""",
    f"""{IMPORTS}
def vae_objective(model, batch, progress, beta=1.0):
    {BINARIZED}
    output = model(batch.x)
    reconstruction = {RECONSTRUCTION}
    kl = {KL_MEAN}
    return {{"loss": {LOSS}, "reconstruction": reconstruction, "kl": kl}}
""",
    mistakes(
        ("mean over pixels", RECONSTRUCTION, "F.binary_cross_entropy_with_logits(output.logits, batch.target)",
         "mean over pixels"),
        ("sum over the batch", RECONSTRUCTION, "bernoulli(output.logits, batch.target).sum()", "summed over the batch"),
        ("one per image", RECONSTRUCTION, "bernoulli(output.logits, batch.target)", "average over the batch"),
        ("sign of the reconstruction", RECONSTRUCTION, f"-{RECONSTRUCTION}", "sign of the reconstruction"),
        ("x for target", RECONSTRUCTION, "bernoulli(output.logits, batch.x).mean()", "compared with batch.x"),
        ("sigmoid twice", RECONSTRUCTION, "bernoulli(output.logits.sigmoid(), batch.target).mean()",
         "the sigmoid is in it"),
        ("a number", RECONSTRUCTION, f"{RECONSTRUCTION}.item()", "a float"),
        ("KL per image", KL_MEAN, "kl_to_prior(output.mu, output.logvar)", "average over the batch"),
        ("KL summed over the batch", KL_MEAN, "kl_to_prior(output.mu, output.logvar).sum()", "the KL is summed"),
        ("KL averaged over dimensions", KL_MEAN, f"{KL_MEAN} / output.mu.shape[1]", "averaged over the dimensions"),
        ("KL averaged over pixels", KL_MEAN, f"{KL_MEAN} / 784", "averaged over pixels"),
        ("sign of the KL", KL_MEAN, f"-{KL_MEAN}", "sign of the KL"),
        ("mu and logvar swapped", KL_MEAN, "kl_to_prior(output.logvar, output.mu).mean()", "swapped"),
        ("KL reported weighted", KL_MEAN, f"beta * {KL_MEAN}", "unweighted"),
        ("KL detached", LOSS, "reconstruction + beta * kl.detach()", "one of its terms is detached"),
        ("reconstruction detached", LOSS, "reconstruction.detach() + beta * kl", "one of its terms is detached"),
        ("loss detached", LOSS, "(reconstruction + beta * kl).detach()", "no graph"),
        ("beta ignored", LOSS, "reconstruction + kl", "beta is ignored"),
        ("beta on the reconstruction", LOSS, "beta * reconstruction + kl", "it belongs to the KL"),
        ("beta on both", LOSS, "beta * (reconstruction + kl)", "only scales"),
        ("beta divides", LOSS, "reconstruction + kl / beta", "divided by beta"),
        ("beta by progress", LOSS, "reconstruction + beta * (1.0 if progress < 0.5 else 2.0) * kl",
         "beta depends on progress"),
        ("KL missing", LOSS, "reconstruction", "KL is missing"),
        ("KL subtracted", LOSS, "reconstruction - beta * kl", "the KL is subtracted"),
        ("reconstruction missing", LOSS, "beta * kl", "reconstruction is missing"),
        ("plus the ELBO", LOSS, "-(reconstruction + beta * kl)", "minus the ELBO"),
        ("loss averaged", LOSS, "(reconstruction + beta * kl) / 2", "a mean of its terms"),
        ("grey images", BINARIZED, "", "grey images reach the model"),
        ("grey target", BINARIZED, "batch = batch._replace(x=binarized(batch).x)", "compared with the grey ones"),
        ("binarized twice", BINARIZED, "batch = binarized(batch)._replace(target=torch.bernoulli(batch.target))",
         "once more"),
        ("the loss alone", '{"loss": reconstruction + beta * kl, "reconstruction": reconstruction, "kl": kl}', LOSS,
         "a dictionary"),
        ("a term missing", '{"loss": reconstruction + beta * kl, "reconstruction": reconstruction, "kl": kl}',
         '{"loss": reconstruction + beta * kl, "kl": kl}', "a dictionary"),
    ),
    [
        f"""{IMPORTS}
def vae_objective(model, batch, progress, beta=1.0):
    batch = binarized(batch)
    logits, z, mu, logvar = model(batch.x, batch.label)
    pixels = F.binary_cross_entropy_with_logits(logits, batch.target, reduction="none")
    reconstruction = pixels.sum((1, 2, 3)).mean()
    kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(1).mean(0)
    return dict(loss=reconstruction + beta * kl, reconstruction=reconstruction, kl=kl)
""",
        f"""{IMPORTS}
def vae_objective(model, batch, progress=0.0, beta=1):
    x, target, label = binarized(batch)
    output = model(x)
    reconstruction = F.binary_cross_entropy_with_logits(output.logits, target, reduction="sum") / len(x)
    kl = kl_to_prior(output.mu, output.logvar)
    kl = kl.sum() / len(kl)
    loss = torch.add(reconstruction, kl, alpha=beta)
    return {{"kl": kl, "reconstruction": reconstruction, "loss": loss, "beta": torch.tensor(float(beta))}}
""",
        f"""{IMPORTS}
def vae_objective(model, batch, progress, beta=1.0):
    batch = binarized(batch)
    mu, logvar = model.posterior(batch.x)
    z = mu + torch.exp(logvar / 2) * torch.randn_like(mu)
    white = torch.distributions.Bernoulli(logits=model.logits(z))
    reconstruction = -white.log_prob(batch.target).flatten(1).sum(1).mean()
    kl = kl_to_prior(mu, logvar).mean()
    return {{"loss": reconstruction + beta * kl, "reconstruction": reconstruction, "kl": kl}}
""",
    ],
    {
        f"reordered: reconstruction = {RECONSTRUCTION} → kl = {KL_MEAN}": "the terms may be computed in any order",
    },
)

ITEMS = (DRAW, KL, OBJECTIVE)
