"""Taking a Region out of service by hand, and putting it back."""
