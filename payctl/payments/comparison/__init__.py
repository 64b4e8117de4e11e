"""What all Regions show of payments, and what the processor charged, as tables that SQL compares."""
