"""What does more guidance cost in quality, and does a change of sampling reduce that cost?"""
