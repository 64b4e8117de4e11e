"""The formal model of docs/spec/: run by TLC, broken on purpose, and compared with what the simulator's runs do."""
