"""The engine as a graph: ``build`` makes it of what each part contributes."""
