"""From noise to a latent: the noise schedule, guidance, and trajectories that share forward passes."""
