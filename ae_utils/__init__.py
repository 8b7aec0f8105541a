"""Autoencoders on MNIST: data, models, objectives, training loops and the tools of the course.

Nothing is re-exported here; the import line is the signpost: ``from ae_utils.training.loop import fit``.
"""

__version__ = "0.1.0"
