"""How soon ``conv-fast`` is where ``conv`` ends, against ``conv`` and against the loop it was published with.

    OMP_NUM_THREADS=1 python tests/benchmarks/convolutional.py [SEED]

The three train in turns of half an epoch, so that a machine that slows down slows all of them, and only the CPU time
of training counts. Needs about six minutes of one core. "Published" is the same net, optimizer and number of epochs,
fed by a DataLoader that turns each picture into a tensor when it comes up.
"""

import os
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from loop import loader
from torch.nn import functional as F

from ae_utils.data.dataset import Batches
from ae_utils.data.mnist import mnist
from ae_utils.metrics.images import mse, reconstruct
from ae_utils.recipes.registry import RECIPES

TARGETS = {"conv": 6, "published": 8}  # conv-fast is to need a sixth of conv's time, an eighth of the published loop's


def ours(name: str, seed: int):
    """Train a recipe as ``fit`` does; yields (CPU seconds so far, test error) after every half epoch."""
    recipe = RECIPES[name]
    torch.manual_seed(seed)
    step = recipe.step(recipe, recipe.build())
    batches = Batches(mnist("train"), recipe.batch_size, shuffle=True, seed=seed)
    yield from _halves(step.model, step.train, batches.in_epoch, len(batches), recipe.epochs)


def published(seed: int):
    """The same for ``conv`` in the loop of most tutorials."""
    torch.manual_seed(seed)
    model = RECIPES["conv"].build()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
    batches = loader()

    def train(batch, progress):
        x, _ = batch
        loss = F.mse_loss(model(x).x_hat, x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    yield from _halves(model, train, lambda epoch: batches, len(batches), RECIPES["conv"].epochs)


def _halves(model, train, batches_of, length: int, epochs: int):
    test, seconds, began = mnist("test"), 0.0, time.process_time()
    for epoch in range(epochs):
        for index, batch in enumerate(batches_of(epoch)):
            train(batch, (epoch + index / length) / epochs)
            if index + 1 in (length // 2, length):
                seconds += time.process_time() - began
                yield seconds, float(mse(reconstruct(model, test), test.x).mean())
                began = time.process_time()


def main(seed: int) -> None:
    """Let the three take turns until all have finished, then say who was where when."""
    runners = {"conv": ours("conv", seed), "published": published(seed), "conv-fast": ours("conv-fast", seed)}
    traces = {name: [] for name in runners}
    while runners:
        for name, runner in list(runners.items()):
            reached = next(runner, None)
            if reached is None:
                del runners[name]
            else:
                traces[name].append(reached)
    for name, trace in traces.items():
        print(f"{name:10} ends at {trace[-1][1]:.5f} after {trace[-1][0]:6.1f} CPU-s")
    final = traces["conv"][-1][1]
    seconds = next((seconds for seconds, error in traces["conv-fast"] if error <= final), float("inf"))
    print(f"conv-fast  is below conv's {final:.5f} after {seconds:.1f} CPU-s:")
    for name, target in TARGETS.items():
        print(f"           1/{traces[name][-1][0] / seconds:.1f} of the time of {name} (target: 1/{target})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
