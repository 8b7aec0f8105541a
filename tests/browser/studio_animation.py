"""The README's animation: somebody draws a digit in the studio, then a face, and the models answer.

``PYTHONPATH=tests python tests/browser/studio_animation.py`` writes ``notebooks/pictures/studio.gif``.
"""

import io
import math
import shutil
import tempfile
from pathlib import Path

from conftest import CHROMIUM, SWITCHES
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from test_studio_page import StudioPage

from ae_utils.runs.studio import Studio

PICTURE = Path(__file__).parents[2] / "notebooks" / "pictures" / "studio.gif"
WIDTH, COLOURS, PACE, HOLD, LARGEST = 800, 160, 90, 2200, 1_500_000  # pixels, milliseconds, bytes
SCENE = """
h1, .lead, .chosen, [aria-label="Change it"], [aria-label="Which digit?"] { display: none !important; }
body { margin: 0 auto !important; }
.studio .block:first-child { width: 440px !important; }
.studio .block:last-child { width: 280px !important; }
"""


def arc(x: float, y: float, radius: float, start: float, end: float) -> list[tuple[float, float]]:
    """Points of an arc in 28ths of the pad, from and to angles in half turns, clockwise from the right."""
    count = 1 + round(abs(end - start) / 0.1)
    angles = [math.pi * (start + (end - start) * i / (count - 1)) for i in range(count)]
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]


THREE = [arc(13, 8.6, 5, -0.85, 0.45) + arc(13, 18.6, 5.6, -0.45, 0.85)]
FACE = [arc(14, 14, 10, -0.5, 1.5), [(10, 10), (10, 11.5)], [(18, 10), (18, 11.5)], arc(14, 14, 6, 0.85, 0.15)]


class Film:
    """Frames of the page with their durations in milliseconds."""

    def __init__(self, tab: Page):
        self.tab, self.frames, self.durations = tab, [], []

    def take(self, duration: int) -> None:
        box = self.tab.locator(".cards").bounding_box()
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": math.ceil(box["y"] + box["height"] + 8)}
        picture = Image.open(io.BytesIO(self.tab.screenshot(clip=clip, full_page=True))).convert("RGB")
        self.frames.append(picture)
        self.durations.append(duration)

    def draw(self, page: StudioPage, strokes: list[list[tuple[float, float]]], every: int) -> None:
        """Draw strokes by mouse; a frame for ``every`` so many points."""
        box = page.pad.bounding_box()
        for stroke in strokes:
            places = [(box["x"] + x / 28 * box["width"], box["y"] + y / 28 * box["height"]) for x, y in stroke]
            self.tab.mouse.move(*places[0])
            self.tab.mouse.down()
            for number, place in enumerate(places[1:], 1):
                self.tab.mouse.move(*place, steps=3)
                if number % every == 0 or number + 1 == len(places):
                    page.rest()
                    self.take(PACE)
            self.tab.mouse.up()
            page.rest()

    def write(self, path: Path) -> None:
        """As a GIF that plays for ever, in one palette."""
        palette = self.frames[-1].quantize(COLOURS)
        colours = [255 if value > 246 else 0 if value < 9 else value for value in palette.getpalette()]
        palette.putpalette(colours)  # a palette of averages has neither white nor black
        frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self.frames]
        first, *others = frames
        first.save(path, save_all=True, append_images=others, duration=self.durations, loop=0, optimize=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as engine:
        address = Studio().write(Path(folder) / "studio.html").as_uri()
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        tab = browser.new_context(viewport={"width": WIDTH, "height": 900}, color_scheme="light").new_page()
        page = StudioPage(tab, address)
        tab.add_style_tag(content=SCENE)
        film = Film(tab)
        page.button("Clear")
        film.take(500)
        for strokes, every in ((THREE, 2), (FACE, 3)):
            page.button("Clear")
            film.draw(page, strokes, every)
            film.durations[-1] = HOLD
        browser.close()
        film.write(Path(folder) / PICTURE.name)
        shutil.copy(Path(folder) / PICTURE.name, PICTURE)
    size = PICTURE.stat().st_size
    print(f"{PICTURE}: {len(film.frames)} frames, {size / 1e6:.2f} MB")
    if size > LARGEST:
        raise SystemExit("too large for the README")


if __name__ == "__main__":
    main()
