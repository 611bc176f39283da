"""A local AWS cloud in a notebook: `Lab()` starts it, plain boto3 reaches it."""

__all__: list[str] = []
