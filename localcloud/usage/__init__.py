"""What AWS would bill for what happens here: counted while it happens, and shown by `GET /_localcloud/usage`."""
