"""Bake a model: take a pinned or local GPT-2, verify it, store it small, prove it, and describe it in a manifest."""
