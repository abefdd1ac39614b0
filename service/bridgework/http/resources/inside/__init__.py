"""What is inside a container's network namespace, and on the host."""
