"""Do images get as dark and as bright as their prompts ask?"""
