"""What an interrupted generation had got to, as the stores keep it."""

PROMPT = ".prompt.npz"
"""Name of the hidden artifact that holds a job's decoded inputs."""
