"""What is measured over several searches: a list of them, a store of trainings, intervals."""
