"""The whole pipeline on pictures drawn here, or on a folder of real ones: ``python -m infra.demo [--images DIR]``."""
