"""Objectives: `objective(model, batch, progress)` gives `{"loss": …}` and the terms it is made of, all scalars."""
