"""The data plane of WebSocket APIs: handshakes, messages and their routes, and @connections."""
