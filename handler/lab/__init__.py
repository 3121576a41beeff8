"""The constitution lab as a service: judging, comparing, and training runs that survive a kill."""
