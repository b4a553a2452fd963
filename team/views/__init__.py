"""What people and programs see of a run: the result object, lines, live tables, a report."""
