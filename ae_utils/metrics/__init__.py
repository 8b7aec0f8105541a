"""Metrics of images, latent codes, likelihoods and samples."""
