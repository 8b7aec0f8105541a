"""Where images come from: MNIST itself, CSV files, noise, and the batches a training loop reads."""
