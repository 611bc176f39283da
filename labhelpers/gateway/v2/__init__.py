"""Settings of HTTP and WebSocket APIs (API Gateway V2): kept, checked, and frozen into deployments."""
