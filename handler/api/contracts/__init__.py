"""What goes over the wire, as pydantic models: the fields of the published token-wheel contract and our additions."""
