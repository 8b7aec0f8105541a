"""One named recipe for each system, and the road from a name to a folder with a trained model in it."""
