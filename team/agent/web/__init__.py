"""Pages of the web: what may be reached, how it is fetched, what it says as lines of text."""
