"""What a model is worth, in numbers: its pictures, its codes, its likelihood."""
