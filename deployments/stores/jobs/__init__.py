"""The job store: what is queued, who runs it, what it has accepted, what has happened."""
