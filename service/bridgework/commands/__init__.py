"""The commands that work on this machine's service itself, and not through its API.

``python -m bridgework`` has them, and so has the command ``bridgework`` of the package bridgework-client, which imports
``command_NAME`` of the module NAME where this package is installed beside it.
"""
