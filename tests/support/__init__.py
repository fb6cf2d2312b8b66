"""Real things that several test folders start: databases, HTTP servers, inputs."""
