"""What a member can do: each tool a small class with a typed input."""
