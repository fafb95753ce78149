"""One drawing per function: the figures' dictionaries in, one ``<svg>`` element out."""
