"""`python -m goldenseed` is the command `goldenseed`."""

from goldenseed.cli import main

if __name__ == "__main__":
    main()
