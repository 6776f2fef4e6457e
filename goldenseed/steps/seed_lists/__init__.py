"""Find seeds that a run or a release names, and say what they were drawn with."""
