"""Pixels and tensors: decoding, preprocessing, networks, measurements and the analyzer. Imports nothing of ours above it."""
