"""Which seeds are golden by two metrics, and are they golden again on other prompts?"""
