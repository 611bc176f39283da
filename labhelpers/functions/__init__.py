"""Functions: what they are (registry, packages, layers, policies) and how they run (environments, pool, invoke)."""
