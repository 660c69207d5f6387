"""HTTP as a function: one request in, one response out, no sockets and no clock."""
