"""One file for each kind of event that starts this function: what it looks like, and whom it goes to."""
