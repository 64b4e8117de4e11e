"""The releases that an environment had, and going back to one of them."""
