"""The query language of `wire.md`: a request's target to a Query and back, in two mirror files."""
