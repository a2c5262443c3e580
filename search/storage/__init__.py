"""One SQLite file per run; the only room with SQL."""
