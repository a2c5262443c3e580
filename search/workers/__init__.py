"""Runs jobs in other processes, retries them, and finds the culprit; the only room with Ray."""
