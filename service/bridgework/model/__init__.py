"""Values of one moment and the ports that others implement. Standard library only."""
