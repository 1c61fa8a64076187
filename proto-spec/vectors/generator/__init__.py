"""An independent implementation of the specification, in Python's standard library: each module makes the cases of one file."""
