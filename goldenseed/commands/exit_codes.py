"""Exit codes of the command; 0 is success."""

DEFECT = 1
BAD_INPUT = 2
INCOMPLETE = 3
DAMAGED = 4
STOPPED = 130
