"""What is said and how it travels: typed messages and subjects on NATS.

Knows nothing of models, prompts, roles or policy. Import from the modules; each
opens with what it is for. Reading order: ids, subjects, messages, codec, access,
connection, run_stream, feed, live, artifacts.
"""
