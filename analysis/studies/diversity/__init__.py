"""Do seeds chosen to be different draw different images?"""
