"""The only room that imports docker: snapshots in, commands out, errors translated."""
