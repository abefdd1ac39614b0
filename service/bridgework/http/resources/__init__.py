"""The resources: a module or a folder for each, with its routes, requests and schemas."""
