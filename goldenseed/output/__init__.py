"""What the command prints: tables, shares and progress."""
