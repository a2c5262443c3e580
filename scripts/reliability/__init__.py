"""What `scripts/chaos`, `scripts/soak` and `scripts/fuzz_inputs` are made of."""
