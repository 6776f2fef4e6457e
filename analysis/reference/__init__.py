"""Features of real images, with which a seed's images are compared."""
