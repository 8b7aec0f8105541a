"""All entries of the speedrun, from the first to the record of each track, and the ideas that were tried."""

import difflib

from ae_utils.errors import InvalidInput
from ae_utils.recipes.speedrun import (
    conditional_16,
    conditional_latent_flow,
    conditional_mixture,
    conditional_patches,
    frechet_half,
    frechet_latent_flow,
    frechet_mixture,
    frechet_patches,
    ideas,
    likelihood_flow_prior,
    likelihood_patches,
    mse_conv_fast,
    mse_muon_48,
)
from ae_utils.recipes.speedrun.entry import Entry

HISTORY: dict[str, tuple[Entry, ...]] = {
    "mse": (mse_conv_fast.ENTRY, mse_muon_48.ENTRY),
    "likelihood": (likelihood_flow_prior.ENTRY, likelihood_patches.ENTRY),
    "frechet": (frechet_latent_flow.ENTRY, frechet_mixture.ENTRY, frechet_patches.ENTRY, frechet_half.ENTRY),
    "conditional": (
        conditional_latent_flow.ENTRY,
        conditional_mixture.ENTRY,
        conditional_patches.ENTRY,
        conditional_16.ENTRY,
    ),
}
IDEAS: tuple[Entry, ...] = ideas.IDEAS


def select(names: tuple[str, ...]) -> list[Entry]:
    """Entries and ideas by name; a track's name stands for its record, no name at all for the records of all tracks.

    Raises ``InvalidInput`` with the nearest names for an unknown one.
    """
    records = {track: entries[-1] for track, entries in HISTORY.items()}
    known = {entry.name: entry for entries in (*HISTORY.values(), IDEAS) for entry in entries} | records
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=2)
            hint = f"did you mean {' or '.join(near)}?" if near else f"the tracks are {', '.join(HISTORY)}."
            raise InvalidInput(f"the speedrun has no track, entry or idea {name!r}; {hint}")
    return [known[name] for name in names or records]
