"""Three AWS Regions on this machine: the emulator, what it lacks, and faults."""
