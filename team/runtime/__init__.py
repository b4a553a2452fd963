"""From a command to running members: launch, supervise, resume, stop."""
