"""Networks that ship with the package, their test images, and the scripts that trained them."""
