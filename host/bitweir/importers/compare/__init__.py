"""Imported networks beside their model files, layer by layer, on images of the user or on drawn ones."""
