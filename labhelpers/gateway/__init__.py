"""API Gateway's data plane: requests of HTTP, REST and WebSocket APIs, answered from snapshots of their settings."""
