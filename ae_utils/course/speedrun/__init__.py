"""The speedrun: which entry reaches a track's target in the fewest CPU-seconds of one thread."""
