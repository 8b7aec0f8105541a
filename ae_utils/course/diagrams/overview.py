"""The map of the course's models: what each lesson adds to a model of an earlier one."""

from collections.abc import Iterator

from ae_utils.course.diagrams.svg import FONT, GREY, SMALL, STYLES, arrow, box, document, text

CARDS = {  # lesson: column, row, role, name, what it adds
    "01": (0, 1, "ink", "Linear", "encoder, code, decoder"),
    "02": (1, 0, "encoder", "Convolutional", "+ convolutions"),
    "03": (1, 1, "loss", "Regularized", "+ a penalty, or noise"),
    "04": (1, 2, "code", "Variational", "+ posterior, prior, KL"),
    "05": (2, 2, "label", "Conditional VAE", "+ a label"),
    "06": (2, 1, "decoder", "GAN", "+ discriminator as the loss"),
    "09": (2, 0, "noise", "Latent flow", "+ flow from noise to codes"),
}
ARROWS = (("01", "02"), ("01", "03"), ("01", "04"), ("02", "09"), ("04", "05"), ("04", "06"))
WIDTH, HEIGHT, COLUMN, ROW = 202, 64, 239, 88


def model_map() -> str:
    """Lessons as cards, each connected with the one whose model it extends."""
    parts = [part for lesson in CARDS for part in _card(lesson)]
    for start, end in ARROWS:
        (left, y0), (x1, y1) = _corner(start), _corner(end)
        x0, y0, y1 = left + WIDTH + 2, y0 + HEIGHT / 2, y1 + HEIGHT / 2
        bend = [(x0 + 13, y0), (x0 + 13, y1)] if y0 != y1 else []
        parts.append(arrow((x0, y0), *bend, (x1 - 2, y1), colour=GREY))
    parts.append(box(20, 288, 680, 40, "image", "07 Side by side: every model through one protocol"))
    return document("What each lesson adds to the model of an earlier one", 348, *parts)


def _corner(lesson: str) -> tuple[float, float]:
    column, row, *_ = CARDS[lesson]
    return 20 + COLUMN * column, 20 + ROW * row


def _card(lesson: str) -> Iterator[str]:
    (x, y), (_, _, role, name, adds) = _corner(lesson), CARDS[lesson]
    ink = STYLES[role][2]
    yield box(x, y, WIDTH, HEIGHT, role)
    yield text(x + WIDTH / 2, y + 27, f"{lesson} {name}", size=FONT, colour=ink, bold=True)
    yield text(x + WIDTH / 2, y + 50, adds, size=SMALL, colour=ink)
