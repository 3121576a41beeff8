"""Where sessions are kept: SQLite on a machine with a disk, DynamoDB on Lambda. One contract, `SessionStore`, binds both."""
