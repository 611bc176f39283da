"""IAM's policy language and how it decides: pure, without sockets, clocks or moto."""
