"""The data plane of function URLs: requests to a function's own address."""
