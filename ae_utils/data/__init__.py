"""Images: MNIST, CSV files, folders, photos, noise, and the batches that a training loop reads."""
