"""The HTTP API: contracts, routers, and the one table from errors to statuses. It computes nothing itself."""
