"""Make a release of seed lists: the lists, what they rest on, and the documents around them."""
