"""How the cost of an epoch grows with images, batch size and code size, through the published loop and through ours.

    OMP_NUM_THREADS=1 python tests/benchmarks/growth.py

Two minutes of one core. Writes results/growth.csv and results/growth.png.
"""

import matplotlib.pyplot as plt
import pandas as pd
from loop import ALL, IMAGES, RESULTS, alone, our_epoch, published_epoch
from matplotlib.ticker import LogLocator

from ae_utils.plots import DIGIT_COLOURS, save

MODELS = {"linear-3d": 0, "vae": 2, "conv": 5}  # and their colours
LOOPS = {"published": (published_epoch, "--", "s"), "ours": (our_epoch, "-", "o")}
SWEEPS = {
    "images": (800, 1600, 3200, 6400, 12_800),
    "batch size": (16, 64, 256, 1024),
    "code size": (2, 16, 64, 256),
}


def seconds(epoch, name: str, sweep: str, value: int) -> float:
    """CPU-seconds of one epoch: of as many images as swept, else of 60,000 at the pace of the first 6,400."""
    if sweep == "images":
        return alone(epoch, name, value, 64)[0]
    options = {"batch_size": value} if sweep == "batch size" else {"batch_size": 64, "latent_dim": value}
    return alone(epoch, name, IMAGES, **options)[0] * ALL / IMAGES


def main() -> None:
    """Measure, write, draw."""
    rows = [
        {"sweep": sweep, "value": value, "recipe": name, "loop": loop, "seconds": seconds(epoch, name, sweep, value)}
        for sweep, values in SWEEPS.items()
        for value in values
        for name in MODELS
        for loop, (epoch, *_) in LOOPS.items()
    ]
    table = pd.DataFrame(rows)
    table.to_csv(RESULTS / "growth.csv", index=False, float_format="%.4g")
    save(figure(table), RESULTS / "growth.png")


def figure(table: pd.DataFrame):
    """A panel a sweep, a line a model and loop; all axes logarithmic, so that a straight rise is a power."""
    drawn, axes = plt.subplots(1, len(SWEEPS), figsize=(11, 4), layout="constrained")
    for axis, sweep in zip(axes, SWEEPS, strict=True):
        for (name, loop), part in table[table["sweep"] == sweep].groupby(["recipe", "loop"], sort=False):
            _, line, marker = LOOPS[loop]
            colour = DIGIT_COLOURS[MODELS[name]]
            axis.plot(part["value"], part["seconds"], line, marker=marker, c=colour, label=f"{name}, {loop}")
        whole = "" if sweep == "images" else " of 60,000 images"
        axis.set(xscale="log", yscale="log", xlabel=sweep, ylabel=f"CPU-seconds an epoch{whole}")
        axis.set_xticks(SWEEPS[sweep], [f"{value:,}" for value in SWEEPS[sweep]])
        axis.minorticks_off()
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.grid(alpha=0.3)
    drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    plt.close(drawn)
    return drawn


if __name__ == "__main__":
    main()
