"""The cloud process: front door, keys, the bridge to moto, and the root that puts the parts together."""
