"""The AWS side and the web: event doors, the HTTP API, the wheel's core, the stores."""
