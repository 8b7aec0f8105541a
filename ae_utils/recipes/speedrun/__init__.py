"""The entries of the speedrun: recipes that reach a track's target in as few CPU-seconds as possible, one per file."""
