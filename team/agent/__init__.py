"""One member's mind: its inbox, its journal, its context, its tools, its loop."""
