"""What starts functions by itself: each trigger turns events of a service into invocations."""
