"""The tests. A package of its own, since a library installs one named `tests` beside it."""
