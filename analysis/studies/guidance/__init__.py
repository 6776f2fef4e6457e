"""What do guidance and its cures trade against each other?"""
