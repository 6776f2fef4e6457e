"""Which seeds write unwanted text into an inpainted region?"""
