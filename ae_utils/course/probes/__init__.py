"""Probes: short measurements that find what is wrong with a model, its objective, its data or its evaluation."""
