"""From where each port of each container is reachable: ``questions`` lists them, ``judge`` answers them."""
