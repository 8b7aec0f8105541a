"""What may be wrong, and what is right, in the answers to lesson 05's "your turn"."""
# fmt: off

from mutation import Item, mistakes

from ae_utils.course.checks import turns05
from ae_utils.models import VAE
from ae_utils.networks.conditional import LABELS, Conditional, require_label

CONDITIONAL = {"Conditional": Conditional, "LABELS": LABELS}

ONE_HOT = "F.one_hot(label, LABELS).to(x)"
CAT = f"torch.cat((x, {ONE_HOT}), 1)"
CONCAT = Item(
    turns05.concat_label,
    """
class ConcatLabel(Conditional):
    def forward(self, x, label):
        return ...
""",
    f"""
class ConcatLabel(Conditional):
    def forward(self, x, label):
        return {CAT}
""",
    mistakes(
        ("a number", CAT, "torch.cat((x, label[:, None].to(x)), 1)", "one column was appended"),
        ("as many as the largest", ONE_HOT, "F.one_hot(label).to(x)", "too few columns"),
        ("label first", CAT, f"torch.cat(({ONE_HOT}, x), 1)", "before the features"),
        ("wrong axis", CAT, f"torch.cat((x, {ONE_HOT}[:, :6]), 0)", "make (5, 16)"),
        ("off by one", "F.one_hot(label, LABELS)", "F.one_hot(9 - label, LABELS)", "wrong column"),
        ("inverted", ONE_HOT, f"(1 - {ONE_HOT})", "0 for the label"),
        ("one for all", ONE_HOT, f"{ONE_HOT}[:1].expand(len(x), -1)", "of the first one"),
        ("other images'", "F.one_hot(label, LABELS)", "F.one_hot(label.flip(0), LABELS)", "other images"),
        ("zeros", ONE_HOT, "torch.zeros(len(x), LABELS)", "zeros where the label"),
        ("features changed", CAT, f"torch.cat((x.relu(), {ONE_HOT}), 1)", "changed on the way"),
        ("detach", CAT, f"torch.cat((x.detach(), {ONE_HOT}), 1)", "no gradient reaches the features"),
        ("a plain module", "class ConcatLabel(Conditional):\n    def forward(self, x, label):\n"
         f"        return {CAT}", "class ConcatLabel(nn.Module):\n    def forward(self, x, label):\n"
         f"        return {CAT}", "derive it from Conditional"),
        ("a tuple", CAT, f"(x, {ONE_HOT})", "returns one tensor"),
        ("in place", f"return {CAT}", f"x.mul_(2); return {CAT}", "itself is changed"),
    ),
    [
        """
class ConcatLabel(Conditional):
    def forward(self, x, label):
        return torch.hstack([x, torch.eye(10)[label]])
""",
        """
class ConcatLabel(Conditional):
    def __init__(self, labels=10):
        super().__init__()
        self.labels = labels

    def forward(self, x, label):
        one_hot = torch.zeros(len(x), self.labels, dtype=x.dtype).scatter_(1, label[:, None], 1.0)
        return torch.cat([x, one_hot], dim=-1)
""",
        """
class ConcatLabel(Conditional):
    def forward(self, x, label):
        return torch.cat((x, F.one_hot(label, num_classes=10)), dim=1)
""",
    ],
    {},
    CONDITIONAL,
)

POSTERIOR = "mu, logvar = self.encoder(x, require_label(label, len(x))).chunk(2, dim=1)"
LOGITS = "self.decoder(z, require_label(label, len(z)))"
MODEL = Item(
    turns05.cvae,
    """
class CVAE(VAE):
    def posterior(self, x, label=None):
        label = require_label(label, len(x))
        mu, logvar = ...
        return mu, logvar

    def logits(self, z, label=None):
        return ...
""",
    f"""
class CVAE(VAE):
    def posterior(self, x, label=None):
        {POSTERIOR}
        return mu, logvar

    def logits(self, z, label=None):
        return {LOGITS}
""",
    mistakes(
        ("encoder without label", POSTERIOR, "mu, logvar = self.encoder(x).chunk(2, dim=1)",
         "the encoder is called without"),
        ("decoder without label", LOGITS, "self.decoder(z)", "the decoder is called without"),
        ("not required by the encoder", "require_label(label, len(x))", "label", "posterior accepts a missing label"),
        ("not required by the decoder", "require_label(label, len(z))", "label", "logits accepts a missing label"),
        ("one-hot for the encoder", "require_label(label, len(x))", "F.one_hot(require_label(label, len(x)), 10)",
         "the encoder is given one-hot"),
        ("one-hot for the decoder", "require_label(label, len(z))", "F.one_hot(require_label(label, len(z)), 10)",
         "the decoder is given one-hot"),
        ("always 0", "require_label(label, len(x))", "torch.zeros_like(require_label(label, len(x)))", "another label"),
        ("swapped", "(mu, logvar)\n", "(logvar, mu)\n", "are swapped"),
        ("variance", "(mu, logvar)\n", "(mu, logvar.exp())\n", "this is a variance"),
        ("standard deviation", "(mu, logvar)\n", "(mu, (logvar / 2).exp())\n", "standard deviation"),
        ("mu twice", "(mu, logvar)\n", "(mu, mu)\n", "this is mu again"),
        ("wrong axis", POSTERIOR, "mu, logvar = self.encoder(x, require_label(label, len(x)))[:4].chunk(2, dim=0)",
         "two halves of the columns"),
        ("only mu", "(mu, logvar)\n", "mu\n", "two tensors"),
        ("sigmoid", LOGITS, f"torch.sigmoid({LOGITS})", "before the sigmoid"),
        ("sign", LOGITS, f"-{LOGITS}", "sign of the logits"),
        ("decoder not called", LOGITS, "z", "does not call self.decoder"),
        ("checked, then left out", POSTERIOR,
         "require_label(label, len(x)); mu, logvar = self.encoder(x).chunk(2, dim=1)",
         "the encoder is called without"),
    ),
    [
        """
class CVAE(VAE):
    def logits(self, z, label=None):
        label = require_label(label, z.shape[0])
        return self.decoder(z, label)

    def posterior(self, x, label=None):
        label = require_label(label, x.shape[0])
        return torch.chunk(self.encoder(x, label), 2, 1)
""",
        """
class CVAE(VAE):
    def posterior(self, x, label=None):
        parameters = self.encoder(x, label=require_label(label, len(x)))
        return parameters[:, : self.latent_dim], parameters[:, self.latent_dim :]

    def logits(self, z, label=None):
        return self.decoder(z, label=require_label(label, len(z)))
""",
    ],
    {"reordered: def posterior(self, x, label=None): → def logits(self, z, label=None):":
        "methods may stand in any order"},
    {"VAE": VAE, "require_label": require_label},
)

INIT = """
    def __init__(self, width_in, width):
        super().__init__()
        self.scale = nn.Embedding.from_pretrained(torch.ones(LABELS, width), freeze=False)
        self.shift = nn.Embedding.from_pretrained(torch.zeros(LABELS, width), freeze=False)
        self.main = nn.Sequential(nn.Linear(width_in, width, bias=False), nn.BatchNorm1d(width, affine=False))
        self.activation = nn.SiLU()
"""
FORWARD = "self.activation(self.main(x) * self.scale(label) + self.shift(label))"
SCALE = "nn.Embedding.from_pretrained(torch.ones(LABELS, width), freeze=False)"
SHIFT = "nn.Embedding.from_pretrained(torch.zeros(LABELS, width), freeze=False)"
MAIN = "nn.Sequential(nn.Linear(width_in, width, bias=False), nn.BatchNorm1d(width, affine=False))"
LAYER = Item(
    turns05.conditional_linear,
    """
class ConditionalLinear(Conditional):
    def __init__(self, width_in, width):
        super().__init__()
        self.scale = ...  # a table of ones: LABELS rows, width columns
        self.shift = ...  # a table of zeros
        self.main = nn.Sequential(nn.Linear(width_in, width, bias=False), nn.BatchNorm1d(width, affine=False))
        self.activation = nn.SiLU()

    def forward(self, x, label):
        return ...
""",
    f"""
class ConditionalLinear(Conditional):{INIT}
    def forward(self, x, label):
        return {FORWARD}
""",
    mistakes(
        ("no activation", FORWARD, "self.main(x) * self.scale(label) + self.shift(label)",
         "activation function is missing"),
        ("activation first", FORWARD, "self.activation(self.main(x)) * self.scale(label) + self.shift(label)",
         "activation function comes last"),
        ("no shift", FORWARD, "self.activation(self.main(x) * self.scale(label))", "the shift is missing"),
        ("no scale", FORWARD, "self.activation(self.main(x) + self.shift(label))", "the scale is missing"),
        ("exchanged", FORWARD, "self.activation(self.main(x) * self.shift(label) + self.scale(label))",
         "are exchanged"),
        ("subtracted", FORWARD, "self.activation(self.main(x) * self.scale(label) - self.shift(label))", "subtracted"),
        ("shift scaled", FORWARD, "self.activation((self.main(x) + self.shift(label)) * self.scale(label))",
         "multiplied by the scale"),
        ("divided", FORWARD, "self.activation(self.main(x) / self.scale(label) + self.shift(label))", "divided"),
        ("BatchNorm left out", "self.main(x)", "self.main[0](x)", "main is left out"),
        ("before BatchNorm", FORWARD,
         "self.activation(self.main[1](self.main[0](x) * self.scale(label) + self.shift(label)))", "before BatchNorm"),
        ("1 + scale", "self.scale(label)", "(1 + self.scale(label))", "on top of 1"),
        ("one row for all", FORWARD, "self.activation(self.main(x) * self.scale(label[:1]) + self.shift(label[:1]))",
         "one label's row"),
        ("not looked up", FORWARD,
         "self.activation(self.main(x) * self.scale.weight[:len(x)] + self.shift.weight[:len(x)])", "not looked up"),
        ("frozen scale", SCALE, "nn.Embedding.from_pretrained(torch.ones(LABELS, width))", "self.scale is frozen"),
        ("frozen shift", SHIFT, "nn.Embedding.from_pretrained(torch.zeros(LABELS, width))", "self.shift is frozen"),
        ("random scale", SCALE, "nn.Embedding(LABELS, width)", "self.scale must start at 1.0"),
        ("random shift", SHIFT, "nn.Embedding(LABELS, width)", "self.shift must start at 0.0"),
        ("scale of zeros", SCALE, "nn.Embedding.from_pretrained(torch.zeros(LABELS, width), freeze=False)",
         "self.scale must start at 1.0"),
        ("axes exchanged", SCALE, "nn.Embedding.from_pretrained(torch.ones(width, LABELS), freeze=False)",
         "axes exchanged"),
        ("one number per label", SCALE, "nn.Embedding.from_pretrained(torch.ones(LABELS, 1), freeze=False)",
         "a row per label"),
        ("a parameter", SCALE, "nn.Parameter(torch.ones(LABELS, width))", "no nn.Embedding"),
        ("detach", "self.main(x)", "self.main(x).detach()", "no gradient reaches the features"),
        ("table detached", "self.scale(label)", "self.scale(label).detach()",
         "no gradient reaches the table self.scale"),
    ),
    [
        f"""
class ConditionalLinear(Conditional):{INIT}
    def forward(self, x, label):
        h = self.main(x)
        h = torch.addcmul(self.shift(label), h, self.scale(label))
        return F.silu(h)
""",
        """
class ConditionalLinear(Conditional):
    def __init__(self, width_in, width):
        super().__init__()
        self.scale, self.shift = nn.Embedding(10, width), nn.Embedding(10, width)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)
        self.main = nn.Sequential(nn.Linear(width_in, width, bias=False), nn.BatchNorm1d(width, affine=False))
        self.activation = nn.SiLU()

    def forward(self, x, label):
        return self.activation(self.shift(label) + self.scale(label) * self.main(x))
""",
    ],
    {
        "reordered: def __init__(self, width_in, width): → def forward(self, x, label):":
            "methods may stand in any order",
        f"reordered: self.scale = {SCALE} → self.shift = {SHIFT}": "the parts may be assigned in any order",
        f"reordered: self.shift = {SHIFT} → self.main = {MAIN}": "the parts may be assigned in any order",
        f"reordered: self.main = {MAIN} → self.activation = nn.SiLU()": "the parts may be assigned in any order",
    },
    CONDITIONAL,
)

ITEMS = (CONCAT, MODEL, LAYER)
