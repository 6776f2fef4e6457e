"""Images that other programs drew: found in a folder, read with their settings, made into runs."""
