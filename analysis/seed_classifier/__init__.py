"""A network that tells from a picture which seed drew it: split, stream, network, training."""
