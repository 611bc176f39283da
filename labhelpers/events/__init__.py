"""AWS's events as data: records that functions receive, destinations' records, and the rules that pick receivers. Pure."""
