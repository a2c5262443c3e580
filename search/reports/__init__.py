"""Results as text: no decisions."""
