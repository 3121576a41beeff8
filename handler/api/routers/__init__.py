"""One router a concept. A route parses, makes one call of the core, and maps; it catches nothing."""
