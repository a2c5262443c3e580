"""Shortening a program, by measurement and by proof."""
