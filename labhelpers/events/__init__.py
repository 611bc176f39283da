"""AWS's events as data: what functions and destinations receive, and the rules that pick receivers. Pure."""
