"""The protocol that decides who may charge, as flows and values. Nothing here does I/O."""
