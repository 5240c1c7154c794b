"""Values: the definition of what a network computes, the same faster, and images as beats of streams."""
