"""Encoder and decoder builders, by kind."""
