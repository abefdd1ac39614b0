"""What the host's kernel does with a packet: its route, the policy rules behind it, and the reverse path filter."""
