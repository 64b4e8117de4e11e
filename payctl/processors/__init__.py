"""What an operator does with a payment processor before payments are sent to it."""
