"""Entry of the track ``mse``: a single epoch, with Muon for the linear layers and smaller batches."""

from functools import partial

from ae_utils.recipes.speedrun import mse_conv_fast
from ae_utils.recipes.speedrun.muon import MuonAndAdam

ENTRY = mse_conv_fast.ENTRY.idea(
    "mse-muon-48",
    "1 epoch of batches of 48; Muon to 0.1 for the linear layers, Adam to 4e-2 for all else",
    optimizer=partial(MuonAndAdam, lr=0.1, adam_lr=4e-2),
    batch_size=48,
    epochs=1,
)
