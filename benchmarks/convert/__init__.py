"""The model folder in the formats of the peers, each written by the peer's own interpreter."""
