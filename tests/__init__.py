"""Tests in three tiers: unit (pure code), engine (one real engine for each process), and the slow rest."""
