"""How far does the quality of an image depend on its seed?"""
