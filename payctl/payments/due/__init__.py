"""What the registers still have to finish: the index of it, and where those payments stand."""
