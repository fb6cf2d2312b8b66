"""Work at scale: batch jobs on Ray Data, and the files that start a cluster."""
