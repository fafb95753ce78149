"""Picture files: what they are, whether they are whole, and their pixels. No torch: the HTTP processes use this too."""
