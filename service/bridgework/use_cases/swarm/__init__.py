"""Other nodes of a swarm: their reports, their rows of a matrix, their part of the topology."""
