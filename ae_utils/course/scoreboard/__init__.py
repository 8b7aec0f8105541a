"""Every recipe under one protocol: what is measured, the table of the results, and its figures."""
