"""One epoch of a recipe through the published loop and through ours, in turn, in CPU-seconds of one process.

OMP_NUM_THREADS=1 python tests/benchmarks/loop.py linear-3d
"""

import statistics
import sys
import time

import torch
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from ae_utils.data.images import Batches
from ae_utils.data.mnist import data_folder, mnist, unpacked
from ae_utils.recipes.catalogue import find
from ae_utils.training import fit


def published_epoch(recipe) -> float:
    """A DataLoader over torchvision's MNIST with ToTensor, plain Adam: the loop as the systems were published."""
    dataset = MNIST(str(unpacked(data_folder())), train=True, transform=ToTensor())
    loader = torch.utils.data.DataLoader(dataset, batch_size=64, shuffle=True)
    model = recipe.build()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
    began = time.process_time()
    for x, _ in loader:
        loss = torch.nn.functional.mse_loss(model(x).x_hat, x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.process_time() - began


def our_epoch(recipe, train) -> float:
    """The same model, batch size and optimizer through ``fit``; reading the data is counted for neither."""
    step = recipe.step(recipe, recipe.build())
    began = time.process_time()
    fit(step, Batches(train, recipe.batch_size, shuffle=True), epochs=1, seed=0)
    return time.process_time() - began


def main() -> None:
    """Print the pairs and their median ratio."""
    recipe = find(sys.argv[1] if len(sys.argv) > 1 else "linear-3d")
    train = mnist("train")
    our_epoch(recipe, train[:6400])  # warm up
    ratios = []
    for _ in range(5):
        published, ours = published_epoch(recipe), our_epoch(recipe, train)
        ratios.append(published / ours)
        print(f"{recipe.name}: published {published:.2f} CPU-s, ours {ours:.2f}, ratio {ratios[-1]:.2f}")
    print(f"{recipe.name}: median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
