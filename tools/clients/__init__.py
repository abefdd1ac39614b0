"""Clients that others' generators make of the document; ``scripts/clients`` runs the generators."""
