"""What each layer of Keras and Larq does to a value that depends on the image: a rule each, in `rules.KERAS_RULES`."""
