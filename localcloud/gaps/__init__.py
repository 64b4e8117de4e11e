"""What the emulator lacks or allows too much, by AWS service: each module's `install` fills its gaps once, at start."""
