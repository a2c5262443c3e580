"""What a program is scored on: small trainings with real models, fast enough for thousands."""
