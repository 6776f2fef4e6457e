"""What does a change of sampling or of weights do to the same cells?"""
