"""What may be wrong, and what is right, in the answers to lesson 06's "your turn"."""
# fmt: off

from mutation import Item, mistakes

from ae_utils.course.checks import turns06
from ae_utils.losses.gan import discriminator_loss, generator_loss

LOSSES = {"discriminator_loss": discriminator_loss, "generator_loss": generator_loss}

REAL, FAKE = "F.softplus(-real_logits).mean()", "F.softplus(fake_logits).mean()"
BOTH = f"{REAL} + {FAKE}"
DISCRIMINATOR = Item(
    turns06.discriminator,
    "def discriminator_loss(real_logits, fake_logits):\n    return ...",
    f"def discriminator_loss(real_logits, fake_logits):\n    return {BOTH}\n",
    mistakes(
        ("exchanged", BOTH, "F.softplus(-fake_logits).mean() + F.softplus(real_logits).mean()", "are exchanged"),
        ("sign", BOTH, f"-({BOTH})", "the sign is wrong"),
        ("no fakes", BOTH, REAL, "term of the fakes is missing"),
        ("no real images", BOTH, FAKE, "term of the real images is missing"),
        ("fakes as real", FAKE, "F.softplus(-fake_logits).mean()", "the fakes count as real"),
        ("real as fakes", REAL, "F.softplus(real_logits).mean()", "count as fakes"),
        ("subtracted", BOTH, f"{REAL} - {FAKE}", "is subtracted"),
        ("sum for mean", BOTH, "F.softplus(-real_logits).sum() + F.softplus(fake_logits).sum()",
         "the sum over the batch"),
        ("averaged terms", BOTH, f"({BOTH}) / 2", "half of the loss"),
        ("no logarithm", BOTH, "(torch.sigmoid(fake_logits) - torch.sigmoid(real_logits)).mean()",
         "logarithms are missing"),
        ("hinge", BOTH, "F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()", "hinge"),
        ("Wasserstein", BOTH, "fake_logits.mean() - real_logits.mean()", "plain logits"),
        ("log of sigmoid", BOTH,
         "-torch.log(torch.sigmoid(real_logits)).mean() - torch.log(1 - torch.sigmoid(fake_logits)).mean()",
         "softplus or logsigmoid is safe"),
        ("epsilon", BOTH,
         "-torch.log(torch.sigmoid(real_logits) + 1e-8).mean()"
         " - torch.log(1 - torch.sigmoid(fake_logits) + 1e-8).mean()",
         "kills the gradient"),
        ("clamp", "-real_logits", "(-real_logits).clamp(-50, 50)", "kills the gradient"),
        ("not averaged", BOTH, "F.softplus(-real_logits) + F.softplus(fake_logits)", "take the mean"),
        ("detached fakes", "fake_logits", "fake_logits.detach()", "no gradient reaches fake_logits"),
        ("detached real", "real_logits", "real_logits.detach()", "no gradient reaches real_logits"),
        ("a float", BOTH, f"({BOTH}).item()", "leave it a tensor"),
    ),
    [
        "def discriminator_loss(real_logits, fake_logits):\n"
        "    return -(F.logsigmoid(real_logits).mean() + F.logsigmoid(-fake_logits).mean())\n",
        "def discriminator_loss(real_logits, fake_logits):\n"
        "    bce = nn.BCEWithLogitsLoss()\n"
        "    return bce(real_logits, torch.ones_like(real_logits)) + bce(fake_logits, torch.zeros_like(fake_logits))\n",
        "def discriminator_loss(real_logits, fake_logits):\n"
        "    loss_real = F.binary_cross_entropy_with_logits(real_logits, torch.ones(len(real_logits)))\n"
        "    loss_fake = F.binary_cross_entropy_with_logits(fake_logits, torch.zeros(len(fake_logits)))\n"
        "    return loss_fake + loss_real\n",
        "def discriminator_loss(real_logits, fake_logits):\n"
        "    real_loss = torch.logaddexp(-real_logits, torch.zeros(1)).mean()\n"
        "    return real_loss + F.softplus(fake_logits).sum() / len(fake_logits)\n",
    ],
    {},
)

LOSS = "F.softplus(-fake_logits).mean()"
GENERATOR = Item(
    turns06.generator,
    "def generator_loss(fake_logits):\n    return ...",
    f"def generator_loss(fake_logits):\n    return {LOSS}\n",
    mistakes(
        ("saturating", LOSS, "F.logsigmoid(-fake_logits).mean()", "saturating"),
        ("sign", LOSS, "F.logsigmoid(fake_logits).mean()", "the sign is wrong"),
        ("the discriminator's", LOSS, "F.softplus(fake_logits).mean()", "the opposite"),
        ("sum for mean", LOSS, "F.softplus(-fake_logits).sum()", "the sum over the batch"),
        ("not averaged", LOSS, "F.softplus(-fake_logits)", "take the mean"),
        ("axis kept", LOSS, "F.softplus(-fake_logits).mean(0, keepdim=True)", "one number, of shape ()"),
        ("factor 1/2", LOSS, f"{LOSS} / 2", "half of the loss"),
        ("no logarithm", LOSS, "-torch.sigmoid(fake_logits).mean()", "logarithm is missing"),
        ("1 - D", LOSS, "(1 - torch.sigmoid(fake_logits)).mean()", "this is 1 - D(fake)"),
        ("Wasserstein", LOSS, "-fake_logits.mean()", "plain logits"),
        ("mean of logits", LOSS, "F.softplus(-fake_logits.mean())", "before the logarithm"),
        ("log of the mean", LOSS, "-torch.log(torch.sigmoid(fake_logits).mean())", "-log of a mean"),
        ("log of sigmoid", LOSS, "-torch.log(torch.sigmoid(fake_logits)).mean()", "softplus or logsigmoid is safe"),
        ("epsilon", LOSS, "-torch.log(torch.sigmoid(fake_logits) + 1e-8).mean()", "kills the gradient"),
        ("clamp", "-fake_logits", "(-fake_logits).clamp(max=20)", "kills the gradient"),
        ("detach", LOSS, f"{LOSS}.detach()", "no gradient reaches fake_logits"),
        ("a float", LOSS, f"{LOSS}.item()", "leave it a tensor"),
    ),
    [
        "def generator_loss(fake_logits):\n    return -F.logsigmoid(fake_logits).mean()\n",
        "def generator_loss(fake_logits):\n"
        "    return F.binary_cross_entropy_with_logits(fake_logits, torch.ones_like(fake_logits))\n",
        "def generator_loss(fake_logits):\n"
        "    return torch.mean(torch.nn.functional.softplus(fake_logits.neg()))\n",
    ],
    {},
)

DETACHED = "loss_d = discriminator_loss(discriminator(real), discriminator(fake.detach()))"
CLEAR_D, CLEAR_G = "optimizers[1].zero_grad()", "optimizers[0].zero_grad()"
STEP_D, STEP_G = "optimizers[1].step()", "optimizers[0].step()"
LOSS_G = "loss_g = generator_loss(discriminator(fake))"
NOISE = "torch.randn(len(real), generator.latent_dim)"
FIRST_HALF = f"{DETACHED}; {CLEAR_D}; loss_d.backward(); {STEP_D}"
SECOND_HALF = f"{LOSS_G}; {CLEAR_G}; loss_g.backward(); {STEP_G}"
BATCH = Item(
    turns06.one_batch,
    """
def one_batch(real, generator, discriminator, optimizers):
    # fakes, as many as there are real images, from noise of generator.latent_dim numbers each

    loss_d = ...  # then clear the discriminator's gradients, compute new ones, step

    loss_g = ...  # then the same for the generator
    return loss_d.item(), loss_g.item()
""",
    f"""
def one_batch(real, generator, discriminator, optimizers):
    fake = generator({NOISE})

    {DETACHED}
    {CLEAR_D}
    loss_d.backward()
    {STEP_D}

    {LOSS_G}
    {CLEAR_G}
    loss_g.backward()
    {STEP_G}
    return loss_d.item(), loss_g.item()
""",
    mistakes(
        ("no detach", "fake.detach()", "fake", "detach the fakes there"),
        ("no detach, graph kept, cleared at the top", f"{FIRST_HALF}; {SECOND_HALF}",
         f"{DETACHED.replace('.detach()', '')}; {CLEAR_D}; {CLEAR_G}; loss_d.backward(retain_graph=True); {STEP_D}\n"
         f"{LOSS_G}; loss_g.backward(); {STEP_G}", "are added to its own"),
        ("detach in the wrong half", LOSS_G, "loss_g = generator_loss(discriminator(fake.detach()))",
         "generator has not moved"),
        ("detached logits", "discriminator(fake.detach())", "discriminator(fake).detach()",
         "logits of the fakes are detached"),
        ("detached real logits", "discriminator(real)", "discriminator(real).detach()",
         "logits of the real images are"),
        ("no graph", DETACHED, f"{DETACHED}.detach()", "no graph"),
        ("exchanged", DETACHED, "loss_d = discriminator_loss(discriminator(fake.detach()), discriminator(real))",
         "are exchanged"),
        ("only real", DETACHED, "loss_d = discriminator_loss(discriminator(real), discriminator(real))",
         "real images only"),
        ("only fakes", DETACHED,
         "loss_d = discriminator_loss(discriminator(fake.detach()), discriminator(fake.detach()))", "fakes only"),
        ("generator loses", LOSS_G, "loss_g = F.softplus(discriminator(fake)).mean()", "lower its fakes' logits"),
        ("saturating", LOSS_G, "loss_g = F.logsigmoid(-discriminator(fake)).mean()", "saturating"),
        ("sign of G", "loss_g.backward()", "(-loss_g).backward()", "goes up instead of down"),
        ("sign of D", "loss_d.backward()", "(-loss_d).backward()", "goes up its loss"),
        ("D not cleared", CLEAR_D, "", "optimizers[1].zero_grad() is missing"),
        ("G not cleared", CLEAR_G, "", "optimizers[0].zero_grad() is missing"),
        ("D does not step", STEP_D, "", "the discriminator has not moved"),
        ("G does not step", STEP_G, "", "the generator has not moved"),
        ("no step", f"{FIRST_HALF}; {SECOND_HALF}", f"{DETACHED}; loss_d.backward(); {LOSS_G}; loss_g.backward()",
         "neither network has moved"),
        ("D's backward dropped", "loss_d.backward()", "", "the discriminator has not moved"),
        ("old logits", f"{FIRST_HALF}; {LOSS_G}; {CLEAR_G}; loss_g.backward()",
         f"{LOSS_G}; {CLEAR_G}; gradients = torch.autograd.grad(loss_g, list(generator.parameters()))\n"
         f"{FIRST_HALF}\n"
         "for parameter, gradient in zip(generator.parameters(), gradients): parameter.grad = gradient",
         "as it was before its step"),
        ("generator first", f"{FIRST_HALF}; {SECOND_HALF}", f"{SECOND_HALF}; {FIRST_HALF}",
         "as it was before its step"),
        ("two steps of D", STEP_D, f"{STEP_D}; {DETACHED}; {CLEAR_D}; loss_d.backward(); {STEP_D}", "two steps"),
        ("uniform noise", "torch.randn", "torch.rand", "not from N(0, I)"),
        ("zeros", NOISE, "torch.zeros(len(real), generator.latent_dim)", "not from N(0, I)"),
        ("a single fake", NOISE, "torch.randn(1, generator.latent_dim)", "as many fakes"),
        ("noise as images", NOISE, "torch.randn(len(real), 784)", "generator.latent_dim"),
        ("real as fakes", LOSS_G, "loss_g = generator_loss(discriminator(real))", "generator has not moved"),
        ("returns exchanged", "(loss_d.item(), loss_g.item())", "(loss_g.item(), loss_d.item())",
         "two losses are swapped"),
        ("returns tensors", "(loss_d.item(), loss_g.item())", "(loss_d, loss_g)", "come back as tensors"),
        ("returns one", "(loss_d.item(), loss_g.item())", "loss_d.item()", "both losses are expected"),
        ("another loss returned", "loss_g.item()", "generator_loss(discriminator(fake)).item() + 1",
         "before its own step"),
        ("real and fakes at once", DETACHED,
         "loss_d = discriminator_loss(*discriminator(torch.cat([real, fake.detach()])).chunk(2))",
         "is called three times"),
        ("fakes first", DETACHED,
         "fake_logits = discriminator(fake.detach()); loss_d = discriminator_loss(discriminator(real), fake_logits)",
         "with the fakes first"),
        ("new fakes", LOSS_G, f"loss_g = generator_loss(discriminator(generator({NOISE})))", "new fakes are drawn"),
        ("evaluation mode", CLEAR_G, f"{CLEAR_G}; generator.eval()", "evaluation mode"),
    ),
    [
        f"""
def one_batch(real, generator, discriminator, optimizers):
    generator.train(), discriminator.train()
    optimizer_g, optimizer_d = optimizers
    z = {NOISE}
    with torch.no_grad():
        fake = generator(z)
    optimizer_d.zero_grad()
    d = discriminator_loss(discriminator(real), discriminator(fake))
    d.backward()
    optimizer_d.step()
    g = generator_loss(discriminator(generator(z)))
    optimizer_g.zero_grad(set_to_none=False)
    g.backward()
    optimizer_g.step()
    return float(d.detach()), float(g.detach())
""",
        f"""
def one_batch(real, generator, discriminator, optimizers):
    fake = generator({NOISE})
    loss_d = discriminator_loss(discriminator(real), discriminator(fake))
    generator.zero_grad(), discriminator.zero_grad()
    loss_d.backward(retain_graph=True)
    optimizers[1].step()
    generator.zero_grad()
    loss_g = generator_loss(discriminator(fake))
    loss_g.backward()
    optimizers[0].step()
    return [loss_d.item(), loss_g.item()]
""",
        f"""
def one_batch(real, generator, discriminator, optimizers):
    fake = generator({NOISE})
    loss_d = discriminator_loss(discriminator(real), discriminator(fake.data))
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss_d.backward()
    optimizers[1].step()
    for parameter in discriminator.parameters():
        parameter.requires_grad_(False)
    loss_g = generator_loss(discriminator(fake))
    loss_g.backward()
    optimizers[0].step()
    for parameter in discriminator.parameters():
        parameter.requires_grad_(True)
    return loss_d.item(), loss_g.item()
""",
    ],
    {
        f"reordered: {DETACHED} → {CLEAR_D}": "old gradients may be cleared before the loss is computed",
        f"reordered: {LOSS_G} → {CLEAR_G}": "old gradients may be cleared before the loss is computed",
    },
    LOSSES,
)

GRADIENT = "(gradient,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)"
UNPACKED = GRADIENT.replace("(gradient,)", "gradient,")
NORM = "gradient.square().flatten(1).sum(1).mean()"
PENALTY = Item(
    turns06.penalty,
    f"""
def gradient_penalty(real_logits, real):
    {GRADIENT}
    return ...
""",
    f"""
def gradient_penalty(real_logits, real):
    {GRADIENT}
    return {NORM}
""",
    mistakes(
        ("no graph", "torch.autograd.grad(real_logits.sum(), real, create_graph=True)",
         "torch.autograd.grad(real_logits.sum(), real, retain_graph=True)", "create_graph=True"),
        ("detach", NORM, "gradient.detach().square().flatten(1).sum(1).mean()", "create_graph=True"),
        ("norm", NORM, "gradient.flatten(1).norm(dim=1).mean()", "not squared"),
        ("mean over pixels", NORM, "gradient.square().mean()", "sum over the pixels"),
        ("sum over images", NORM, "gradient.square().sum()", "the sum over the batch"),
        ("wrong axis", NORM, "gradient.sum(0).square().sum()", "inside the norm"),
        ("squared mean", NORM, "gradient.mean(0).square().sum()", "mean gradient"),
        ("factor 1/2", NORM, f"{NORM} / 2", "factor 1/2"),
        ("abs for square", NORM, "gradient.abs().flatten(1).sum(1).mean()", "absolute"),
        ("mean of the logits", "real_logits.sum()", "real_logits.mean()", "divides it by the batch"),
        ("Wasserstein", NORM, "(gradient.flatten(1).norm(dim=1) - 1).square().mean()", "(norm - 1)"),
        ("logits", NORM, "real_logits.square().mean()", "squared logits"),
        ("of the loss", "real_logits.sum()", "F.softplus(-real_logits).sum()", "that of the loss"),
        ("sign", NORM, f"-{NORM}", "the sign is wrong"),
        ("not averaged", NORM, "gradient.square().flatten(1).sum(1)", "take the mean"),
        ("a float", NORM, f"{NORM}.item()", "leave it a tensor"),
    ),
    [
        """
def gradient_penalty(real_logits, real):
    ones = torch.ones_like(real_logits)
    gradient = torch.autograd.grad(real_logits, real, grad_outputs=ones, create_graph=True, retain_graph=True)[0]
    return (gradient ** 2).sum(dim=(1, 2, 3)).mean()
""",
        """
def gradient_penalty(real_logits, real):
    gradient = torch.autograd.grad(outputs=real_logits.sum(), inputs=real, create_graph=True)[0]
    return gradient.pow(2).sum() / len(real)
""",
        """
def gradient_penalty(real_logits, real):
    (gradient,) = torch.autograd.grad(real_logits.sum(), [real], create_graph=True)
    return gradient.reshape(len(real), -1).norm(dim=1).square().mean()
""",
    ],
    {f"number: {UNPACKED} → {UNPACKED.replace('True', '2')}": "2 is as true as True"},
)

ITEMS = (DISCRIMINATOR, GENERATOR, BATCH, PENALTY)
