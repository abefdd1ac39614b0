"""What the kernel showed of one packet, joined with what was predicted of it."""
