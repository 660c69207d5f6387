"""Doing it: Arrow in, columns out. Codes, packed keys and kernels over them, in blocks that can be cancelled."""
