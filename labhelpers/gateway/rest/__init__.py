"""REST APIs (API Gateway V1): their settings, deployments as snapshots, and the requests that they answer."""
