"""Is a team worth it on these tasks: the same tasks by several arms, on one budget each.

Pure are `tasks`, `answers`, `graders`, `arms`, `spending`, `statistics`, `analysis`; `results`
keeps files, `setting` and `session` make real runs of them.

Source: docs/comparing-arms.md.
"""
