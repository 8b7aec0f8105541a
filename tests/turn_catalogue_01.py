"""What may be wrong, and what is right, in the answers to lesson 01's "your turn"."""
# fmt: off

from mutation import Item, mistakes

from ae_utils.course.checks import turns01

SQUARE = "(x_hat - x).square().mean()"
ERROR = Item(
    turns01.reconstruction_error,
    """def reconstruction_error(x_hat, x):
    return ...""",
    f"def reconstruction_error(x_hat, x):\n    return {SQUARE}\n",
    mistakes(
        ("sum for mean", SQUARE, "(x_hat - x).square().sum()", "sum over images and pixels"),
        ("sum over pixels", SQUARE, "(x_hat - x).square().flatten(1).sum(1).mean()", "pixels of an image are summed"),
        ("sum over images", SQUARE, "(x_hat - x).square().flatten(1).mean(1).sum()", "errors of the images are summed"),
        ("wrong axis", SQUARE, "(x_hat - x).square().mean((1, 2, 3))", "one error per image"),
        ("mean missing", SQUARE, "(x_hat - x).square()", "one error per pixel"),
        ("axes kept", SQUARE, "(x_hat - x).square().mean((0, 1, 2, 3), keepdim=True)", "one number, of shape ()"),
        ("square missing", SQUARE, "(x_hat - x).mean()", "cancel"),
        ("square after mean", SQUARE, "(x_hat - x).mean().square()", "square each difference first"),
        ("abs for square", SQUARE, "(x_hat - x).abs().mean()", "absolute"),
        ("root", SQUARE, "(x_hat - x).square().mean().sqrt()", "root"),
        ("sign", SQUARE, "-(x_hat - x).square().mean()", "sign"),
        ("factor 1/2", SQUARE, "0.5 * (x_hat - x).square().mean()", "half"),
        ("factor 2", SQUARE, "2 * (x_hat - x).square().mean()", "twice"),
        ("+ for -", SQUARE, "(x_hat + x).square().mean()", "added"),
        ("squares subtracted", SQUARE, "(x_hat.square() - x.square()).mean()", "square the difference"),
        ("clipped", SQUARE, "(x_hat.clamp(0, 1) - x).square().mean()", "clipped"),
        ("detach", SQUARE, "(x_hat.detach() - x).square().mean()", "no gradient reaches"),
        ("half detached", SQUARE, "((x_hat - x) * (x_hat.detach() - x)).mean()", "its gradient is not"),
        ("a number", SQUARE, "(x_hat - x).square().mean().item()", "a float came back"),
        ("in place", SQUARE, "x_hat.sub_(x).square().mean()", "itself is changed"),
    ),
    [
        "def reconstruction_error(x_hat, x):\n    return F.mse_loss(x_hat, x)",
        "def reconstruction_error(x_hat, x):\n    return F.mse_loss(x, x_hat, reduction='sum') / x.numel()",
        "def reconstruction_error(x_hat, x):\n    return nn.MSELoss()(x_hat, x)",
        "reconstruction_error = lambda x_hat, x: torch.mean((x - x_hat) ** 2)",
        "def reconstruction_error(x_hat, x):\n    return ((x_hat - x) ** 2).flatten(1).mean(dim=1).mean()",
        "def reconstruction_error(a, b):\n    return sum(((p - q) ** 2).sum() / 784 for p, q in zip(a, b)) / len(a)",
        "def reconstruction_error(x_hat, x):\n    return torch.dist(x_hat, x).square() / x.numel()",
        "def reconstruction_error(a, b):\n    d = (a - b)[..., :]\n    return torch.sum(d * d) / d.numel()",
    ],
    {},
)

MODEL = Item(
    turns01.autoencoder,
    """
class Autoencoder(nn.Module):
    def __init__(self, encoder, decoder):
        super().__init__()
        ...

    def forward(self, x):
        ...
""",
    """
class Autoencoder(nn.Module):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, x):
        z = self.encoder(x)
        return self.decoder(z)
""",
    mistakes(
        ("super().__init__() dropped", "super().__init__()", "", "has to come first"),
        ("super().__init__() too late", "super().__init__(); self.encoder = encoder",
         "self.encoder = encoder; super().__init__()", "has to come first"),
        ("no module", "nn.Module", "object", "a class Autoencoder(nn.Module)"),
        ("forward misspelt", "def forward(self, x):\n z = self.encoder(x); return self.decoder(z)",
         "def foward(self, x): return self.decoder(self.encoder(x))", "forward(self, x) is missing"),
        ("__init__ dropped", "def __init__(self, encoder, decoder):\n super().__init__(); self.encoder = encoder; "
         "self.decoder = decoder", "", "__init__(self, encoder, decoder) is missing"),
        ("encoder in a list", "self.encoder = encoder", "self.parts = [encoder]", "the encoder's parameters"),
        ("decoder as a function", "self.decoder = decoder", "self.decoder = lambda z: decoder(z)",
         "the decoder's parameters"),
        ("encoder only", "self.decoder = decoder", "self.decoder = encoder", "the decoder's parameters"),
        ("another name", "self.decoder = decoder", "self.generator = decoder", "another name"),
        ("parts swapped", "self.encoder = encoder; self.decoder = decoder",
         "self.encoder = decoder; self.decoder = encoder", "swapped"),
        ("wrong order", "z = self.encoder(x); return self.decoder(z)", "z = self.decoder(x); return self.encoder(z)",
         "the decoder is called first"),
        ("encoder twice", "self.decoder(z)", "self.encoder(z)", "the encoder is called twice"),
        ("returns the code", "self.decoder(z)", "z", "returns the code"),
        ("returns x", "self.decoder(z)", "x", "returns x itself"),
        ("returns both", "self.decoder(z)", "(self.decoder(z), z)", "2 things"),
        ("sigmoid on top", "self.decoder(z)", "self.decoder(z).sigmoid()", "after the decoder"),
        ("ReLU on the code", "self.encoder(x)", "F.relu(self.encoder(x))", "between encoder and decoder"),
        ("residual", "self.decoder(z)", "x + self.decoder(z)", "x is added"),
        ("code detached", "self.decoder(z)", "self.decoder(z.detach())", "no gradient reaches the encoder"),
        ("output detached", "self.decoder(z)", "self.decoder(z).detach()", "no gradient reaches"),
    ),
    [
        """
class Autoencoder(nn.Module):
    def __init__(self, encoder, decoder):
        super(Autoencoder, self).__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x):
        return self.decoder(self.encoder(x))
""",
        """
class Autoencoder(torch.nn.Module):
    def __init__(self, encode, decode, verbose=False):
        nn.Module.__init__(self)
        self.add_module("encoder", encode)
        self.add_module("decoder", decode)

    def forward(self, images):
        for part in (self.encoder, self.decoder):
            images = part(images)
        return images
""",
        """
class Autoencoder(nn.Sequential):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
""",
        """
class Autoencoder(nn.Module):
    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.both = nn.Sequential(encoder, decoder)

    def encode(self, x):
        return self.encoder(x.flatten(1))

    def forward(self, x):
        return self.both(x)
""",
    ],
    {
        "reordered: self.encoder = encoder → self.decoder = decoder": "the parts may be assigned in any order",
        "reordered: def __init__(self, encoder, decoder): → def forward(self, x):": "methods may stand in any order",
    },
)

LOSS = "F.mse_loss(model(x), x)"
STEP = Item(
    turns01.training_step,
    """
def training_step(model, x, optimizer):
    loss = F.mse_loss(model(x), x)
    ...
    return loss.item()
""",
    f"""
def training_step(model, x, optimizer):
    loss = {LOSS}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
""",
    mistakes(
        ("zero_grad dropped", "optimizer.zero_grad()", "", "without zero_grad()"),
        ("backward dropped", "loss.backward()", "", "backward() is missing"),
        ("step dropped", "optimizer.step()", "", "no optimizer.step()"),
        ("zero_grad after backward", "optimizer.zero_grad(); loss.backward()", "loss.backward(); optimizer.zero_grad()",
         "clears the new gradient"),
        ("step before backward", "loss.backward(); optimizer.step()", "optimizer.step(); loss.backward()",
         "step() comes before"),
        ("loss after the step", "loss.item()", f"{LOSS}.item()", "after the step"),
        ("loss with its graph", "loss.item()", "loss", "with its graph"),
        ("loss as a tensor", "loss.item()", "loss.detach()", "as a tensor"),
        ("item too early", LOSS, f"{LOSS}.item()", ".item() comes too early"),
        ("output against itself", LOSS, "F.mse_loss(model(x), model(x))", "with itself"),
        ("zeros for target", LOSS, "model(x).square().mean()", "with zeros"),
        ("shuffled target", LOSS, "F.mse_loss(model(x), x.flip(0))", "another image"),
        ("sum for mean", LOSS, "(model(x) - x).square().sum()", "the sum"),
        ("abs for square", LOSS, "F.l1_loss(model(x), x)", "absolute"),
        ("factor 1/2", LOSS, f"{LOSS} / 2", "half"),
        ("detach", "model(x)", "model(x).detach()", "no graph"),
        ("sign", "loss.backward()", "(-loss).backward()", "up the loss"),
        ("another factor", "loss.backward()", "(0.1 * loss).backward()", "other amounts"),
        ("backward twice", "loss.backward()", "loss.backward(retain_graph=True); loss.backward(retain_graph=True)",
         "more than once"),
        ("backward on a used graph", "loss.backward()", "loss.backward(); loss.backward()", "twice"),
        ("two steps", "optimizer.step()", "optimizer.step(); optimizer.step()", "2 steps"),
        ("evaluation mode", "optimizer.zero_grad()", "model.eval(); optimizer.zero_grad()", "evaluation mode"),
        ("batch changed", "model(x)", "model(x.sub_(0.5))", "itself is changed"),
    ),
    [
        """
def training_step(model, x, optimizer):
    model.train()
    optimizer.zero_grad(set_to_none=False)
    x_hat = model(x)
    loss = ((x - x_hat) ** 2).mean()
    loss.backward()
    optimizer.step()
    return float(loss.detach())
""",
        """
def training_step(model, x, optimizer):
    loss = nn.MSELoss()(model(x), x)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach().cpu().item()
""",
        """
def training_step(model, x, optimizer):
    def closure():
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), x)
        loss.backward()
        return loss

    return optimizer.step(closure).item()
""",
        """
def training_step(model, x, optimizer):
    model.zero_grad()
    loss = (model(x) - x).pow(2).flatten(1).sum(1).mean() / 784
    value = loss.item()
    torch.autograd.backward(loss)
    optimizer.step()
    return value
""",
        """
def training_step(model, x, optimizer):
    loss = F.mse_loss(model(x), x)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    for parameter, gradient in zip(model.parameters(), gradients):
        parameter.grad = gradient
    optimizer.step()
    return loss.tolist()
""",
    ],
    {
        "arguments: loss = F.mse_loss(model(x), x) → loss = F.mse_loss(x, model(x))": "(a - b)² is (b - a)²",
        "reordered: loss = F.mse_loss(model(x), x) → optimizer.zero_grad()":
            "the old gradients may be cleared before the loss is computed",
    },
)

PAIR = "[nn.Linear(width_in, width_out), nn.ReLU()]"
LAYERS = Item(
    turns01.relu_layers,
    """
def relu_layers(*widths):
    layers = []
    for width_in, width_out in pairwise(widths):
        layers += ...
    return layers
""",
    f"""
def relu_layers(*widths):
    layers = []
    for width_in, width_out in pairwise(widths):
        layers += {PAIR}
    return layers[:-1]
""",
    mistakes(
        ("ReLU after the last", "layers[:-1]", "layers", "after the last layer"),
        ("last layer dropped", "layers[:-1]", "layers[:-2]", "number of linear layers"),
        ("first layer dropped", "layers[:-1]", "layers[1:]", "number of linear layers"),
        ("first width left out", "pairwise(widths)", "pairwise(widths[1:])", "number of linear layers"),
        ("only the last pair", f"layers += {PAIR}", f"layers = {PAIR}", "number of linear layers"),
        ("no ReLU", "layers[:-1]", "layers[::2]", "there is no ReLU"),
        ("one ReLU missing", "layers[:-1]", "layers[:3] + layers[4:-1]", "two linear layers follow"),
        ("ReLU before the first", "layers[:-1]", "[nn.ReLU()] + layers[:-1]", "before the first"),
        ("ReLU first", PAIR, "[nn.ReLU(), nn.Linear(width_in, width_out)]", "number of linear layers"),
        ("ReLU doubled", "layers[:-1]", "layers[:-1] if len(widths) < 4 else layers[:2] + layers[1:-1]", "too many"),
        ("swapped arguments", "nn.Linear(width_in, width_out)", "nn.Linear(width_out, width_in)", "are swapped"),
        ("wrong width", "nn.Linear(width_in, width_out)", "nn.Linear(width_in, width_in)", "need linear layers"),
        ("without bias", "nn.Linear(width_in, width_out)", "nn.Linear(width_in, width_out, False)", "no bias"),
        ("another activation", "nn.ReLU()", "nn.Tanh()", "Tanh stands"),
        ("a class", "nn.ReLU()", "nn.ReLU", "ReLU() makes a layer"),
        ("a function", "nn.ReLU()", "F.relu", "not the function"),
        ("append", f"layers += {PAIR}", f"layers.append({PAIR})", "list within the list"),
        ("one layer for equal widths", f"for width_in, width_out in pairwise(widths):\n layers += {PAIR}",
         "made = {p: nn.Linear(*p) for p in pairwise(widths)}\n"
         "for p in pairwise(widths): layers += [made[p], nn.ReLU()]", "used twice"),
        ("a single layer", "layers[:-1]", "layers[0]", "a list of layers is expected"),
    ),
    [
        """
def relu_layers(*widths):
    layers = [nn.Linear(widths[0], widths[1])]
    for i in range(1, len(widths) - 1):
        layers.append(nn.ReLU(inplace=True))
        layers.append(nn.Linear(widths[i], widths[i + 1], bias=True))
    return layers
""",
        """
def relu_layers(*widths):
    pairs = list(zip(widths[:-1], widths[1:]))
    return [layer for a, b in pairs for layer in (nn.Linear(a, b), nn.ReLU())][:-1]
""",
        """
def relu_layers(*widths):
    relu, layers = nn.ReLU(), (nn.Linear(*widths[:2]),)
    for a, b in pairwise(widths[1:]):
        layers += relu, nn.Linear(a, b)
    return layers
""",
        """
def relu_layers(first, second, *more):
    rest = [nn.ReLU(), *relu_layers(second, *more)] if more else []
    return [nn.Linear(first, second), *rest]
""",
        """
def relu_layers(*widths):
    layers = nn.Sequential()
    for a, b in pairwise(widths):
        if len(layers):
            layers.append(nn.ReLU())
        layers.append(nn.Linear(a, b))
    return layers
""",
    ],
    {},
)

ITEMS = (ERROR, MODEL, STEP, LAYERS)
