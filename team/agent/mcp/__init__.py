"""MCP servers as tools of a member: started, watched, asked, and never believed.

What a server says is data. Its tools' descriptions reach a model as its own words, its answers
as quoted text from outside.
"""
