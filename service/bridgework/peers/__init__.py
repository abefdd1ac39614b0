"""The other nodes of a swarm. Optional: only a service with peers, or with an overlay network, imports this package."""
