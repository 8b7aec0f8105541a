"""One named recipe for each system."""
