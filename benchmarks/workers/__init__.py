"""One engine a module, each run by its own interpreter: `python -m benchmarks.workers.NAME` speaks the protocol of `protocol`."""
