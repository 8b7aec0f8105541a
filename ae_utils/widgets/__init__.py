"""Sliders over a latent space, and a plot that follows the training: ``explorer``, ``live``, ``page``."""
