"""Measurements: interleaved runs, medians, ratios. Absolute times say as much about the machine as about the code."""
