"""Objectives: ``objective(model, batch, progress)`` returns ``{"loss": …}`` and its terms, all scalars."""
