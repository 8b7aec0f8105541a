"""The lessons' diagrams as SVG: ``python -m ae_utils.course.diagrams`` (re)writes them in ``notebooks/pictures``."""
