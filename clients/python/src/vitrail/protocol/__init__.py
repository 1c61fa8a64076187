"""The Vitrail protocol without I/O: bytes in, messages out, and the other way round.

Nothing here opens a socket, reads a clock or starts a thread. The chapters of ``proto-spec/`` say what the bytes mean.
"""
