"""How good a network is: ``figures`` computes over arrays, ``report`` writes them for a reader. Neither needs PyTorch."""
