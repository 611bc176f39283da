"""HTTP APIs: routes, authorizers, integrations and payload formats of API Gateway's HTTP APIs."""
