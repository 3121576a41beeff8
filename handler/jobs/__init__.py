"""Batch inference: many requests at once, answered in few forward passes, each result kept exactly once."""
