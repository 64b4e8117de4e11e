"""The tour: three Regions on this machine, payments, and a live page on which one breaks them (`make tour`)."""
