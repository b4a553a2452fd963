"""Pure decisions: what code rules, so that no limit depends on a prompt.

State and time come in as arguments, a ruling comes out. No I/O, no clock.
"""
