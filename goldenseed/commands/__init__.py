"""Commands and groups of commands, one file each; `cli.py` holds those of the path itself."""
