"""An environment as a whole: deploy, preview, look into, destroy."""
