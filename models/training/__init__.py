"""Training of the shipped bundles: data readers, augmentation, loops, calibration."""
