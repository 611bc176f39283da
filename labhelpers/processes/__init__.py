"""Starting and ending processes: the guardian (a child that outlives any crash of the cloud) and its client."""
