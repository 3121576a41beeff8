"""The two ways request metrics leave this process."""
