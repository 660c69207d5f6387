"""A result as bytes: the resource with its links, and one module for each format with the same two names.

Each format module has `MEDIA_TYPES`, what it is served as (the first is the default), and `serialize(resource) ->
bytes`.
"""
