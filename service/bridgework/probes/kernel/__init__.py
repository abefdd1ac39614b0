"""What the kernel says: netlink, sockets, neighbours, the firewall, namespaces."""
