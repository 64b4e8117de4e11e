"""What stops a deployment before it changes anything."""
