"""Diagrams of the lessons on generative models: VAE, conditional VAE, GAN, latent flow."""

from collections.abc import Iterator
from itertools import pairwise

from ae_utils.course.diagrams.digits import digits
from ae_utils.course.diagrams.svg import (
    EDGE,
    MUTED,
    SMALL,
    STYLES,
    Point,
    arrow,
    box,
    circle,
    document,
    line,
    lines,
    picture,
    rectangle,
    text,
    trapezoid,
)

RED, VIOLET, GREY = STYLES["loss"][1], STYLES["noise"][1], STYLES["label"][1]


def vae() -> str:
    """The VAE of lesson 04: posterior, reparameterization, and where the two terms of the loss arise."""
    parts = [*_variational(146, "variational", ""), *_variational_losses(146, "")]
    return document("The variational autoencoder", 384, *parts)


def cvae() -> str:
    """The conditional VAE of lesson 05: the VAE with the label as an input of both networks."""
    middle = 190
    parts = [
        box(300, 18, 120, 36, "label", "`label`: 2"),
        arrow((298, 36), (162, 36), (162, middle - 56), colour=GREY),
        arrow((422, 36), (551, 36), (551, middle - 56), colour=GREY),
        *_variational(middle, "conditional", ", `label`"),
        *_variational_losses(middle, ", `label`"),
    ]
    return document("The conditional VAE", 428, *parts)


def _variational(middle: float, reconstruction: str, given: str) -> Iterator[str]:
    """From the image through mu, logvar and z to its reconstruction; the two rows are ``middle`` ± 46."""
    upper, lower = middle - 46, middle + 46
    yield picture(18, middle - 40, 80, digits()["x"], "`x`")
    yield arrow((100, middle), (116, middle))
    yield trapezoid(118, middle, 88, 124, 104, "encoder", "encoder")
    yield box(226, middle - 76, 106, 152, "ink", dashed=True)
    yield text(279, middle - 86, f"q(`z`|`x`{given})", size=SMALL)
    for y, name in ((upper, "mu"), (lower, "logvar")):
        yield arrow((208, y), (238, y))
        yield box(240, y - 18, 78, 36, "code", f"`{name}`")
    yield box(352, lower - 18, 52, 36, "code", "`std`")
    yield arrow((320, lower), (350, lower))
    yield circle(434, lower, 13, "ink", "×")
    yield circle(434, middle, 13, "ink", "+")
    yield arrow((320, upper), (434, upper), (434, middle - 15))
    yield arrow((406, lower), (419, lower))
    yield arrow((434, lower - 15), (434, middle + 15))
    yield box(409, lower + 44, 50, 34, "noise", "`eps`")
    yield arrow((434, lower + 42), (434, lower + 15), colour=VIOLET)
    yield arrow((449, middle), (461, middle))
    yield box(463, middle - 18, 30, 36, "code", "`z`")
    yield arrow((495, middle), (505, middle))
    yield trapezoid(507, middle, 88, 104, 124, "decoder", "decoder", "`logits`")
    yield arrow((597, middle), (613, middle))
    yield picture(617, middle - 40, 80, digits()[reconstruction], "`x_hat`")
    formulas = ("`std = exp(½ logvar)`", "`z = mu + std · eps`", "`eps` from N(0, I)")
    yield lines(556, lower + 62, *formulas, size=SMALL, colour=MUTED)


def _variational_losses(middle: float, given: str) -> Iterator[str]:
    """The KL term below the posterior, the reconstruction term between the pictures, and their sum."""
    yield box(180, middle + 104, 198, 34, "loss", "`kl` to the prior N(0, I)", size=SMALL)
    yield arrow((279, middle + 78), (279, middle + 102), colour=RED)
    yield box(180, middle + 158, 360, 34, "loss", f"`reconstruction` = −log p(`x`|`z`{given})", size=SMALL)
    for x, end in ((58, 178), (657, 542)):
        yield arrow((x, middle + 70), (x, middle + 175), (end, middle + 175), colour=RED)
    yield text(360, middle + 218, "`loss = reconstruction + beta · kl`", colour=STYLES["loss"][2])


# --- lesson 06 -----------------------------------------------------------------------------------------------------


def gan() -> str:
    """The two updates of lesson 06: gradients in red, and where detach cuts them."""
    parts = [
        text(20, 34, "1. Update the discriminator", anchor="start", bold=True),
        *_generator_half(186, "fixed"),
        picture(226, 52, 64, digits()["real"], "`real`"),
        arrow((292, 84), (398, 84)),
        arrow((292, 186), (302, 186)),
        box(304, 170, 82, 32, "ink", "`detach()`", size=SMALL),
        arrow((388, 186), (398, 186)),
        *_discriminator_half(135, "learns", "loss_d", {"real_logits": 115, "fake_logits": 159}),
        arrow((665, 182), (665, 254), (460, 254), (460, 205), colour=RED, dashed=True),
        line((460, 254), (345, 254), (345, 222), colour=RED, dashed=True),
        *_cross(345, 212),
        text(562, 246, "gradient", size=SMALL, colour=STYLES["loss"][2]),
        text(345, 274, "stops at `detach()`", size=SMALL, colour=STYLES["loss"][2]),
        line((20, 292), (700, 292), colour=EDGE),
    ]
    middle = 390
    parts += [
        text(20, 326, "2. Update the generator", anchor="start", bold=True),
        *_generator_half(middle, "learns"),
        arrow((292, middle), (398, middle)),
        *_discriminator_half(middle, "fixed", "loss_g", {"fake_logits": middle}),
        arrow((665, middle + 26), (665, 462), (158, 462), (158, middle + 46), colour=RED, dashed=True),
        text(412, 486, "the gradient runs through the discriminator", size=SMALL, colour=STYLES["loss"][2]),
    ]
    return document("The two updates of a generative adversarial network", 504, *parts)


def _generator_half(middle: float, state: str) -> Iterator[str]:
    """Noise, generator and fake."""
    yield box(20, middle - 18, 66, 36, "noise", "`z`")
    yield lines(53, middle + 32, "N(0, I)", size=SMALL, colour=MUTED)
    yield arrow((88, middle), (108, middle))
    yield trapezoid(110, middle, 96, 60, 96, "decoder", "generator", state)
    yield arrow((208, middle), (222, middle))
    yield picture(226, middle - 32, 64, digits()["fake"], "`fake`")


def _discriminator_half(middle: float, state: str, loss: str, logits: dict[str, float]) -> Iterator[str]:
    """Discriminator, its logits (name: height) and the loss."""
    tall = 1 if len(logits) == 1 else 2
    yield trapezoid(400, middle, 116, 84 * tall, 50 * tall, "encoder", "discriminator", state)
    for name, y in logits.items():
        yield text(569, y - 8, f"`{name}`", size=SMALL)
        yield arrow((518, y), (626, y))
    height = 48 * tall if tall == 1 else 90
    yield box(628, middle - height / 2, 74, height, "loss", f"`{loss}`")


def _cross(x: float, y: float) -> Iterator[str]:
    for direction in (1, -1):
        yield line((x - 6, y - 6 * direction), (x + 6, y + 6 * direction), colour=RED, width=2.6)


# --- latent flow ---------------------------------------------------------------------------------------------------


def latent_flow() -> str:
    """Training and sampling of a latent flow: noise, codes, and the velocity between them."""
    parts = [*_flow_training(), line((20, 292), (700, 292), colour=EDGE), *_flow_sampling(292)]
    return document("A latent flow: training and sampling", 566, *parts)


def _flow_training() -> Iterator[str]:
    """One step: a code, noise, a point between them, and what the network must predict there."""
    yield text(20, 34, "Training", anchor="start", bold=True)
    yield picture(18, 66, 64, digits()["x"], "`x`")
    yield arrow((84, 98), (96, 98))
    yield trapezoid(98, 98, 84, 92, 64, "encoder", "encoder", "frozen")
    yield arrow((184, 98), (200, 98))
    yield box(202, 80, 50, 36, "code", "`z_1`")
    yield box(202, 200, 50, 36, "noise", "`z_0`")
    yield lines(120, 218, "noise from N(0, I)", size=SMALL, colour=MUTED)
    yield lines(230, 136, "standardized", size=SMALL, colour=MUTED)
    yield arrow((254, 98), (278, 98))
    yield arrow((254, 218), (278, 218))
    yield from _path_between(280, 64, 156, 188)
    yield arrow((438, 158), (480, 158))
    yield text(458, 149, "`z_t`", size=SMALL)
    yield box(482, 128, 112, 60, "ink", "velocity", "network")
    yield box(482, 58, 34, 34, "label", "`t`")
    yield box(526, 58, 134, 34, "label", "`label` or none")
    for x in (499, 566):
        yield arrow((x, 94), (x, 126), colour=GREY)
    yield text(646, 149, "`velocity`", size=SMALL)
    yield arrow((596, 158), (676, 158), (676, 214))
    yield box(472, 216, 230, 36, "loss", "(`velocity` − (`z_1` − `z_0`))²", size=SMALL)
    yield arrow((438, 234), (470, 234), colour=RED)


def _path_between(left: float, top: float, width: float, height: float) -> Iterator[str]:
    """A plane of codes with the line from noise to a code, and the velocity along it."""
    start, end, between = (left + 32, top + 154), (left + 118, top + 34), (left + 75, top + 94)
    yield rectangle(left, top, width, height, "#f6f8fa", EDGE)
    yield line(start, end, colour=MUTED, dashed=True)
    yield arrow(between, (left + 104, top + 53.5), width=2.6)
    yield circle(*start, 6, "noise")
    yield circle(*end, 6, "code")
    yield circle(*between, 6, "ink")
    yield text(start[0] + 14, start[1] + 6, "`z_0`, t = 0", size=SMALL, anchor="start")
    yield text(end[0] - 14, end[1] - 4, "t = 1, `z_1`", size=SMALL, anchor="end")
    yield text(between[0] + 12, between[1] + 14, "`z_t`", size=SMALL, anchor="start")
    yield text(left + width / 2, top + height + 24, "`z_t = (1 − t) z_0 + t z_1`", size=SMALL)


def _flow_sampling(top: float) -> Iterator[str]:
    """From noise to a code in small steps, then through the decoder."""
    low, high = top + 218, top + 156
    yield text(20, top + 34, "Sampling", anchor="start", bold=True)
    yield box(116, top + 32, 74, 36, "label", "`label`")
    yield arrow((192, top + 50), (214, top + 50), colour=GREY)
    yield box(216, top + 32, 148, 36, "ink", "velocity network", size=SMALL)
    yield arrow((388, top + 50), (366, top + 50), colour=GREY)
    yield box(390, top + 32, 100, 36, "label", "`guidance`")
    yield arrow((250, top + 118), (250, top + 70), colour=GREY)
    yield text(240, top + 100, "`z_t`, `t`", size=SMALL, anchor="end")
    yield arrow((330, top + 70), (330, top + 118))
    yield text(340, top + 100, "`velocity`", size=SMALL, anchor="start")
    yield rectangle(190, top + 120, 200, 122, "#f6f8fa", EDGE)
    steps = [_curve(0.95 * step / 6, (214, low), (330, low), (366, high)) for step in range(7)]
    for start, end in pairwise(steps):
        yield arrow(start, end)
    yield circle(214, low, 6, "noise")
    yield circle(366, high, 6, "code")
    yield text(290, top + 262, "small steps from t = 0 to t = 1", size=SMALL, colour=MUTED)
    yield box(112, low - 18, 50, 36, "noise", "`z_0`")
    yield lines(84, low, "noise", size=SMALL, colour=MUTED)
    yield arrow((164, low), (188, low))
    yield arrow((392, high), (414, high))
    yield box(416, high - 18, 50, 36, "code", "`z_1`")
    yield arrow((468, high), (490, high))
    yield trapezoid(492, high, 96, 64, 92, "decoder", "decoder", "frozen")
    yield arrow((590, high), (610, high))
    yield picture(614, high - 38, 76, digits()["sampled"], "a new 2")


def _curve(t: float, start: Point, control: Point, end: Point) -> Point:
    """A point on a quadratic Bézier curve, 0 at its start and 1 at its end."""
    weights = ((1 - t) ** 2, 2 * t * (1 - t), t**2)
    x, y = (sum(w * point[axis] for w, point in zip(weights, (start, control, end), strict=True)) for axis in (0, 1))
    return x, y
