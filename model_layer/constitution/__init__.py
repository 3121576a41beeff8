"""The constitution lab: judge texts by principles, revise them, train on the revisions, and say honestly what changed."""
