"""The one way to a model: the Anthropic SDK, over a real or a rehearsal transport."""
