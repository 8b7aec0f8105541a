"""Every recipe under one protocol: what is measured, the table made of it, and its pictures."""
