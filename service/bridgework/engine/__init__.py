"""The only package that imports docker: snapshots in, commands out, errors translated."""
