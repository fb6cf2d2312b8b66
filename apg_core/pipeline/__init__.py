"""One generation, from prompt to artifacts."""
