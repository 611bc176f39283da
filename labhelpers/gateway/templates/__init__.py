"""Mapping templates: Velocity as API Gateway runs it, JSONPath, and the variables that both know. Pure."""
