"""Do seeds chosen to be unlike draw unlike images?"""
