"""A program made short: by measurement and by proof."""
