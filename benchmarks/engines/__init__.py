"""What the peers of `benchmarks.peers` are asked, and each engine that is asked: one module for each.

`events` makes the facts, `questions` says what is asked and brings answers of anybody into one form, `sql` writes the
statements of the two that read SQL, `turns` keeps each engine in a process of its own. A library is imported only where
its engine is loaded, so that one that is not installed is left out.
"""
