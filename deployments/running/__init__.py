"""Running jobs: who claims them, how one is driven to its end, what is kept on the way."""
