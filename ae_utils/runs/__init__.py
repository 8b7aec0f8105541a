"""A recipe trained into a folder: its checkpoint, its reports, and models out of it."""
