"""From YAML to one frozen Config, or every mistake with its position."""
