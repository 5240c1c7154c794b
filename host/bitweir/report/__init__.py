"""What a build costs and how fast it is."""
